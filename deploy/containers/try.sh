#!/usr/bin/env bash
# Proves docker-compose.yml and the Dockerfile on a Debian machine that has no Docker engine and can pull no image.
#
#   try.sh engines   Kafka and Cassandra by the compose file: start, health checks, published ports, restart with data
#   try.sh host      the Dockerfile, from a fresh clone; takes as long as a release build
#   try.sh prebuilt PROGRAM
#                    the Dockerfile without its first stage, around a release binary that is there
#   try.sh whole     the whole compose file, with the host's images that are there: rows arrive in Cassandra, a plugin and the
#                    configuration are replaced live, the root is read-only, the image is small
#   try.sh all       everything, then clean up
#   try.sh clean     stop everything and delete containers, volumes and images
#
# Every image that the files name is stood in for by one made here under the same name: Debian by debootstrap, Kafka and
# Cassandra from the jars that `cargo xtask services fetch` gets, Rust from the installed toolchain. So this proves the files
# and our images, not the official ones. Runs as root; installs podman and what goes with it. A test, no part of the product.
#
# MILLSTREAM_KAFKA_PORT and MILLSTREAM_CASSANDRA_PORT: the published ports, where the usual ones are taken.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
WORK=$TOP/target/containers
CLONE=$WORK/clone
COMPOSE=$CLONE/docker-compose.yml
MOST_BYTES=$((80 << 20))
PROJECT=millstream-try
: "${MILLSTREAM_KAFKA_PORT:=29092}" "${MILLSTREAM_CASSANDRA_PORT:=9042}"
export MILLSTREAM_KAFKA_PORT MILLSTREAM_CASSANDRA_PORT
export CONTAINERS_CONF=$WORK/containers.conf

say() { printf '%5d s  %s\n' "$SECONDS" "$*"; }
die() { say "FAILED: $*" >&2; exit 1; }

# The name of the image that a compose service, or the Dockerfile's n-th stage, asks for. The third is made from nothing.
image_of_service() { awk -v service="  $1:" '$0 == service { on = 1 } on && $1 == "image:" { print $2; exit }' "$COMPOSE"; }
image_of_stage() { awk '$1 == "FROM" { print $2 }' "$TOP/Dockerfile" | sed -n "$1"; }
have_image() { podman image exists "$1"; }

tools() {
  mkdir -p "$WORK"
  # crun and raised limits are refused where there is no systemd and no privilege for them.
  cat >"$CONTAINERS_CONF" <<CONF
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
CONF
  local missing=()
  for tool in podman podman-compose runc debootstrap; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  # A fresh clone, so that nothing of this working tree counts that is not committed, and nothing is written into it.
  [ -d "$CLONE" ] || git clone -q "$TOP" "$CLONE"
  # Without it, containers do not find each other by the names of their services.
  [ -x /usr/lib/cni/dnsname ] || missing+=(golang-github-containernetworking-plugin-dnsname)
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" uidmap >"$WORK/apt.log" 2>&1 ||
    die "apt-get install; see $WORK/apt.log"
}

base() {
  local image mirror
  image=$(image_of_stage 2p)
  have_image "$image" && return 0
  mirror=$(awk '$1 == "URIs:" { print $2; exit }' /etc/apt/sources.list.d/debian.sources)
  rm -rf "$WORK/rootfs"
  debootstrap --variant=minbase bookworm "$WORK/rootfs" "$mirror" >"$WORK/debootstrap.log" 2>&1 ||
    die "debootstrap; see $WORK/debootstrap.log"
  tar -C "$WORK/rootfs" -c . | podman import - "$image" >/dev/null
  rm -rf "$WORK/rootfs"
  say "$image made"
}

# The image `$1` from the folder `$2`, whose Dockerfile comes in on stdin.
build() {
  cat >"$2/Dockerfile"
  podman build -t "$1" "$2" >"$2.log" 2>&1 || die "building $1; see $2.log"
  say "$1 made"
}

# The folder with an engine's jars.
jars() { (cd "$TOP" && cargo xtask services fetch "$1" | sed -n 's/.*jars are in \(.*\) (.*/\1/p'); }

kafka_image() {
  local image context
  image=$(image_of_service kafka)
  have_image "$image" && return 0
  context=$WORK/kafka
  mkdir -p "$context/libs" "$context/bin"
  cp "$(jars kafka)"/*.jar "$context/libs/"
  cp "$TOP/xtask/src/services/conf/kafka-log4j2.xml" "$context/log4j2.xml"
  # As in the official image, KAFKA_SOME_KEY=value becomes some.key=value.
  cat >"$context/bin/run" <<'RUN'
#!/bin/bash
set -e
env | grep '^KAFKA_' | grep -v '^KAFKA_HEAP_OPTS=' | while IFS='=' read -r key value; do
  key=${key#KAFKA_}; key=${key//_/.}; echo "${key,,}=$value"
done >/tmp/server.properties
run() { exec java $KAFKA_HEAP_OPTS -Dlog4j2.configurationFile=file:/opt/kafka/log4j2.xml -cp '/opt/kafka/libs/*' "$@"; }
data=$(sed -n 's/^log.dirs=//p' /tmp/server.properties)
[ -f "$data/meta.properties" ] ||
  (run kafka.tools.StorageTool format --config /tmp/server.properties --cluster-id bWlsbHN0cmVhbS1sb2NhbA)
run kafka.Kafka /tmp/server.properties
RUN
  # The health check's program: a Metadata request (key 3, version 5, no topic) has to name a broker.
  cat >"$context/bin/kafka-broker-api-versions.sh" <<'CHECK'
#!/bin/bash
[ "$1" = --bootstrap-server ] || exit 2
exec 3<>"/dev/tcp/${2%:*}/${2##*:}" || exit 1
printf '\0\0\0\24\0\3\0\5\0\0\0\7\0\5probe\0\0\0\0\0' >&3
brokers=$(timeout 5 head -c 16 <&3 | od -An -j12 -N4 -tu1 | tr -s ' ')
[ -n "$brokers" ] && [ "$brokers" != " 0 0 0 0" ]
CHECK
  chmod +x "$context"/bin/*
  build "$image" "$context" <<D
FROM $(image_of_stage 2p)
RUN apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 1000 appuser && install -d -o appuser /var/lib/kafka/data
COPY libs /opt/kafka/libs
COPY bin /opt/kafka/bin
COPY log4j2.xml /opt/kafka/
USER appuser
VOLUME /var/lib/kafka/data
CMD ["/opt/kafka/bin/run"]
D
}

cassandra_image() {
  local image context
  image=$(image_of_service cassandra)
  have_image "$image" && return 0
  context=$WORK/cassandra
  mkdir -p "$context/libs" "$context/bin" "$context/conf"
  cp "$(jars cassandra)"/*.jar "$context/libs/"
  cp "$TOP"/xtask/src/services/conf/cassandra* "$context/conf/"
  cat >"$context/bin/run" <<'RUN'
#!/bin/bash
set -e
own=$(hostname -i | cut -d' ' -f1)
cd /opt/cassandra/conf
sed -e 's#{{dir}}#/var/lib/cassandra#; s#{{port}}#9042#; s#{{peer_port}}#7000#g' \
  -e 's#{{commitlog_sync}}#commitlog_sync: periodic\ncommitlog_sync_period: 10s#' \
  -e "s#127\.0\.0\.1#$own#g" \
  -e "s#^rpc_address:.*#rpc_address: 0.0.0.0\nbroadcast_rpc_address: $own#" \
  -e "s#^cluster_name:.*#cluster_name: $CASSANDRA_CLUSTER_NAME#" cassandra.yaml >/tmp/cassandra.yaml
exec java "-Xms$MAX_HEAP_SIZE" "-Xmx$MAX_HEAP_SIZE" -javaagent:"$(ls /opt/cassandra/libs/jamm-*.jar)" @cassandra.jvm $JVM_EXTRA_OPTS \
  -Dcassandra.config=file:/tmp/cassandra.yaml -Dcassandra.storagedir=/var/lib/cassandra -Dcassandra.logdir=/tmp \
  -Dlogback.configurationFile=cassandra-logback.xml -cp '/opt/cassandra/libs/*' org.apache.cassandra.service.CassandraDaemon
RUN
  # The health check's program: STARTUP has to be answered by READY (2), a query by RESULT (8), and what came is printed.
  cat >"$context/bin/cqlsh" <<'CHECK'
#!/bin/bash
[ "$1" = --execute ] || exit 2
exec 3<>/dev/tcp/127.0.0.1/9042 || exit 1
size() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }
answer() {
  local head; head=($(timeout 10 head -c 9 <&3 | od -An -tu1))
  [ "${head[4]}" = "$1" ] || exit 1
  timeout 10 head -c $((head[5] << 24 | head[6] << 16 | head[7] << 8 | head[8])) <&3 | tr -cd '[:print:]\n'; echo
}
printf '\4\0\0\0\1\0\0\0\26\0\1\0\13CQL_VERSION\0\0053.0.0' >&3
answer 2
printf "\\4\\0\\0\\0\\7$(size $((${#2} + 7)))$(size ${#2})%s\\0\\1\\0" "$2" >&3
answer 8
CHECK
  chmod +x "$context"/bin/*
  build "$image" "$context" <<D
FROM $(image_of_stage 2p)
RUN apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 999 cassandra && install -d -o cassandra /var/lib/cassandra
COPY libs /opt/cassandra/libs
COPY conf /opt/cassandra/conf
COPY bin /usr/local/bin
USER cassandra
VOLUME /var/lib/cassandra
CMD ["/usr/local/bin/run"]
D
}

rust_image() {
  local image context
  image=$(image_of_stage 1p)
  have_image "$image" && return 0
  context=$WORK/rust
  rm -rf "$context" && mkdir -p "$context/rust"
  rustup target add wasm32-unknown-unknown >/dev/null 2>&1 || true
  local sysroot; sysroot=$(rustc --print sysroot)
  mkdir -p "$context/rust/lib/rustlib"
  cp -a "$sysroot/bin" "$context/rust/"
  find "$sysroot/lib" -maxdepth 1 -type f -exec cp -a {} "$context/rust/lib/" \;
  for target in wasm32-unknown-unknown "$(rustc -vV | sed -n 's/host: //p')"; do
    cp -a "$sysroot/lib/rustlib/$target" "$context/rust/lib/rustlib/"
  done
  # What the machine trusts, so that cargo reaches the registry the way it does here.
  cp -L /etc/ssl/certs/ca-certificates.crt "$context/machine.crt"
  build "$image" "$context" <<D
FROM $(image_of_stage 2p)
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev ca-certificates && rm -rf /var/lib/apt/lists/*
COPY rust /usr/local
COPY machine.crt /etc/ssl/
ENV CARGO_HTTP_CAINFO=/etc/ssl/machine.crt
D
}

compose() { podman-compose -p "$PROJECT" -f "$COMPOSE" "$@" >>"$WORK/compose.log" 2>&1 || die "podman-compose $*; see $WORK/compose.log"; }
container() { podman ps --filter "name=${PROJECT}_$1_1" --format '{{.Names}}'; }

# The check of a service that is a program and its arguments, `test: ["CMD", …]`; nothing where it is a line for a shell.
program_check() {
  awk -v service="  $1:" '$0 == service { on = 1 } on && $1 == "test:" { print; exit }' "$COMPOSE" |
    sed -n 's/.*\["CMD", \(.*\)\].*/\1/p' | tr -d '",'
}

# Where no systemd runs, nobody runs the health checks either: so this does. Debian's podman-compose hands every check to a
# shell, which our image has not: a check that needs none is run as it stands.
checked() {
  local check; check=$(program_check "$1")
  if [ -n "$check" ]; then podman exec "$2" $check; else podman healthcheck run "$2"; fi
}
healthy() {
  local name deadline=$((SECONDS + 180))
  until name=$(container "$1") && [ -n "$name" ] && checked "$1" "$name" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { podman logs --tail 20 "${PROJECT}_$1_1" >&2; die "$1 is not healthy"; }
    sleep 1
  done
  say "$1 is healthy by its own check"
}

# The engine has to answer from outside of the containers, too, in its own protocol.
published() {
  (cd "$TOP" && cargo xtask services status "$1" | tee "$WORK/status" && grep -q "not started from here" "$WORK/status") ||
    die "$1 does not answer at its published port"
}

engines() {
  kafka_image
  cassandra_image
  compose up -d kafka cassandra
  for engine in kafka cassandra; do healthy "$engine" && published "$engine"; done
  # Nothing may be lost with the container: the volume keeps it.
  podman exec "$(container cassandra)" cqlsh --execute \
    "CREATE KEYSPACE IF NOT EXISTS kept WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}" >/dev/null
  compose down
  compose up -d kafka cassandra
  for engine in kafka cassandra; do healthy "$engine"; done
  podman exec "$(container cassandra)" cqlsh --execute "SELECT keyspace_name FROM system_schema.keyspaces" | grep -q kept ||
    die "cassandra lost its data with its container"
  say "cassandra kept its data through a new container"
}

host_image() {
  rust_image
  rm -rf "$CLONE" && git clone -q "$TOP" "$CLONE"
  images "$CLONE" "$CLONE/Dockerfile"
}

# The same images but for their first stage, whose outcome is made here.
prebuilt() {
  local context=$WORK/prebuilt
  rm -rf "$CLONE" "$context" && git clone -q "$TOP" "$CLONE" && mkdir -p "$context"
  "$CLONE/deploy/containers/root.sh" "$(realpath "$1")" "$context/out" >"$WORK/root.log" 2>&1 || die "root.sh; see $WORK/root.log"
  sed -n '/ AS plugins$/,$p' "$CLONE/Dockerfile" | sed 's/ --from=build / /' >"$context/Dockerfile"
  sed -i 's#\(COPY\( --chown=[^ ]*\)\?\) /out#\1 out#' "$context/Dockerfile"
  images "$context" "$context/Dockerfile"
}

# Both images that the Dockerfile makes, from a context.
images() {
  podman build -t "$(image_of_service plugins)" --target plugins -f "$2" "$1" >"$WORK/plugins.log" 2>&1 ||
    die "building the plugins' image; see $WORK/plugins.log"
  podman build -t "$(image_of_service millstream)" -f "$2" "$1" >"$WORK/host.log" 2>&1 || die "building the host; see $WORK/host.log"
  local bytes; bytes=$(podman image inspect --format '{{.Size}}' "$(image_of_service millstream)")
  say "$(image_of_service millstream) made, $bytes bytes"
  ((bytes < MOST_BYTES)) || die "the image has $bytes bytes; $MOST_BYTES are the most"
}

# Waits until the host has logged something.
logged() {
  local deadline=$((SECONDS + 60))
  until podman logs "$(container millstream)" 2>&1 | grep -q "$1"; do
    ((SECONDS < deadline)) || { podman logs --tail 20 "$(container millstream)" >&2; die "the host does not log '$1'"; }
    sleep 1
  done
}

whole() {
  compose up -d --no-build kafka cassandra random-user
  for service in kafka cassandra random-user; do healthy "$service"; done
  compose up -d --no-build --no-deps plugins
  podman wait "${PROJECT}_plugins_1" >/dev/null
  [ -s "$CLONE/deploy/compose/plugins/validate.wasm" ] || die "the plugins are not in their folder"
  compose up -d --no-build --no-deps millstream
  healthy millstream
  local deadline=$((SECONDS + 120))
  until podman exec "$(container cassandra)" cqlsh --execute "SELECT email FROM spark_streams.created_users LIMIT 3" 2>/dev/null | grep -q '@'; do
    ((SECONDS < deadline)) || { podman logs --tail 40 "${PROJECT}_millstream_1" >&2; die "no row arrived in cassandra"; }
    sleep 1
  done
  say "rows of users arrive in cassandra"
  hardened
  swapped
}

hardened() {
  local host pid said
  host=$(container millstream)
  pid=$(podman inspect --format '{{.State.Pid}}' "$host")
  [ "$(awk '$1 == "Uid:" { print $2 }' "/proc/$pid/status")" = 10001 ] || die "the host does not run as the user 10001"
  [ "$(awk '$1 == "CapEff:" { print $2 }' "/proc/$pid/status")" = 0000000000000000 ] || die "the host has capabilities"
  # /etc is the image's, /etc/millstream is mounted.
  for file in /etc/report.html /etc/millstream/report.html; do
    said=$(podman exec "$host" /usr/local/bin/millstream report cassandra://cassandra/spark_streams.created_users --html $file 2>&1 || true)
    [[ $said == *"Read-only file system"* ]] || die "the host can write $file: $said"
  done
  said=$(podman exec "$host" /usr/local/bin/millstream report cassandra://cassandra/spark_streams.created_users --html /tmp/report.html 2>&1)
  [[ $said == *"written: /tmp/report.html"* ]] || die "no report within the container: $said"
  podman exec "$host" /bin/sh -c true 2>/dev/null && die "there is a shell in the image"
  say "the host runs as uid 10001 without capabilities, and can write neither the image nor its configuration"
}

swapped() {
  local folder=$CLONE/deploy/compose
  # The same component with a custom section, named `swap`, at its end: another version of the same plugin.
  { cat "$folder/plugins/validate.wasm"; printf '\0\5\4swap'; } >"$folder/plugins/.new"
  chmod 644 "$folder/plugins/.new" && mv "$folder/plugins/.new" "$folder/plugins/validate.wasm"
  logged "new version live"
  say "a plugin that was replaced in its folder runs"
  sed -i 's/^every = "10s"/every = "1s"/' "$folder/pipeline.toml"
  logged "restarted with its new configuration"
  say "a pipeline that was edited runs with its new configuration"
  healthy millstream
}

clean() {
  compose down -v
  local image
  for image in "$(image_of_service millstream)" "$(image_of_service plugins)" "$(image_of_service kafka)" "$(image_of_service cassandra)" \
    "$(image_of_stage 1p)" "$(image_of_stage 2p)"; do
    have_image "$image" && podman image rm -f "$image" >/dev/null
  done
  rm -rf "$WORK"
}

[ "$(id -u)" = 0 ] || die "runs as root only: debootstrap and podman need it here"
case ${1:-} in
  engines) tools; base; engines ;;
  host) tools; base; host_image ;;
  prebuilt) tools; base; prebuilt "${2:?the release binary is missing}" ;;
  whole) tools; base; kafka_image; cassandra_image; have_image "$(image_of_service millstream)" || host_image; whole ;;
  all) tools; base; engines; host_image; whole; clean ;;
  clean) tools; clean ;;
  *) sed -n '2,/^set/p' "$0" | grep '^#' | cut -c3-; exit 2 ;;
esac
say "done: $1"
