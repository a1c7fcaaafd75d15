#!/usr/bin/env bash
# Tries the DAG with a real Airflow: parsed, run green, and red with the broker away and with a wrong configuration.
#
#   try.sh MILLSTREAM [BROKER]     the host's program, and a Kafka; by default the one at 127.0.0.1:29092
#
# Airflow is installed from PyPI into a folder below target/, which takes a minute or two.
set -euo pipefail

TOP=$(cd "$(dirname "$0")/../.." && pwd)
WORK=$TOP/target/airflow
say() { printf 'airflow: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }
[ $# -ge 1 ] || { sed -n '2,/^set/p' "$0" | grep '^#' | cut -c3-; exit 2; }

MILLSTREAM=$(realpath "$1")
BROKER=${2:-127.0.0.1:29092}
TOPIC=airflow_users_$$
PORT=18732
export MILLSTREAM AIRFLOW_HOME=$WORK/home AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER=$WORK/dags
export RANDOM_USER_URL="http://127.0.0.1:$PORT/api/?results=50" MILLSTREAM_RETRIES=1 MILLSTREAM_FOR=20s
export MILLSTREAM_CONFIG=$WORK/run/pipeline.toml

mkdir -p "$WORK"
if [ ! -x "$WORK/venv/bin/airflow" ]; then
  say "installing"
  python3 -m venv "$WORK/venv"
  "$WORK/venv/bin/pip" install --quiet uv
  "$WORK/venv/bin/uv" pip install --quiet --python "$WORK/venv/bin/python" apache-airflow
fi
airflow() { "$WORK/venv/bin/airflow" "$@"; }

rm -rf "$WORK/dags" "$WORK/run" && mkdir -p "$WORK/dags" "$WORK/run"
cp "$TOP/deploy/airflow/millstream_users.py" "$WORK/dags/"
ln -s "$TOP/plugins" "$WORK/run/plugins"
# The shipped configuration with its topic at $1.
configure() { sed "s#log:users_created#kafka://$1/$TOPIC#" "$TOP/pipeline.toml" >"$MILLSTREAM_CONFIG"; }

configure "$BROKER"
say "Airflow $(airflow version 2>/dev/null | tail -1); database and plugins"
airflow db migrate >"$WORK/migrate.log" 2>&1 || die "the database; see $WORK/migrate.log"
(cd "$WORK/run" && "$MILLSTREAM" check) >"$WORK/check.log" 2>&1 || die "the configuration; see $WORK/check.log"
"$MILLSTREAM" demo --serve-only --listen 127.0.0.1:$PORT >"$WORK/users.log" 2>&1 &
USERS=$!
trap 'kill $USERS' EXIT

airflow dags reserialize >"$WORK/parse.log" 2>&1 || true
errors=$(airflow dags list-import-errors 2>/dev/null | grep -c millstream_users.py || true)
[ "$errors" = 0 ] || die "the DAG does not parse; see $WORK/parse.log"
say "parsed"

# One run; succeeds if it is as wanted: run NAME success|failed WORDS-OF-ITS-LOG
run() {
  local code=0
  airflow dags test millstream_users >"$WORK/$1.log" 2>&1 || code=$?
  grep -q "$3" "$WORK/$1.log" || die "$1: its log does not say '$3'; see $WORK/$1.log"
  case $2 in
    success) [ $code = 0 ] && ! grep -q "state=failed\|state: failed" "$WORK/$1.log" || die "$1 is not green (exit code $code); see $WORK/$1.log" ;;
    failed) [ $code != 0 ] || grep -q "state=failed\|state: failed\|marking run.*failed\|Marking run.*failed" "$WORK/$1.log" || die "$1 is not red; see $WORK/$1.log" ;;
  esac
  say "$1: $2 (exit code $code), as it should be"
}
run green success "store: {"
rows=$("$MILLSTREAM" report "sqlite:$WORK/run/.millstream/spark_streams.db/created_users" --format json | sed 's/.*"rows":\([0-9]*\),"table".*/\1/')
[ "$rows" -gt 0 ] || die "green, and no rows"
say "$rows rows are in the table"
configure 127.0.0.1:9
run broker-away failed "has not caught up within 20s"
echo 'nonsense = true' >>"$MILLSTREAM_CONFIG"
run wrong-configuration failed "the configuration is wrong"
say "done"
