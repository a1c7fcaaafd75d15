# The host and the plugins of the demo. Built from the sources in one stage; what runs has nothing but the program, the
# libraries that it needs, certificates and time zones: no shell, no package manager.

FROM docker.io/library/rust:1.95-slim-bookworm AS build
# librdkafka, SQLite and zlib are compiled from source.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc g++ make perl binutils ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/*
# What plugins are built for.
RUN test -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" \
 || rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package millstream
RUN deploy/containers/root.sh target/release/millstream /out

# Puts the plugins into a mounted folder, where they can be replaced while the host runs. Ends at once.
FROM docker.io/library/debian:bookworm-slim AS plugins
COPY --from=build /out/image/etc/millstream/plugins /plugins
# What is there already is the user's own, and stays. New files belong to whom the folder belongs.
CMD ["sh", "-c", "for plugin in /plugins/*.wasm; do to=/to/${plugin##*/}; [ -e \"$to\" ] || { cp \"$plugin\" \"$to\" && chown --reference=/to \"$to\"; } || exit 1; done"]

FROM scratch
COPY --from=build /out/image /
# State and the embedded log; a volume of its own, so that a new image goes on where the old one stopped.
COPY --from=build --chown=10001:10001 /out/data /var/lib/millstream
USER 10001:10001
WORKDIR /etc/millstream
VOLUME /var/lib/millstream
ENTRYPOINT ["/usr/local/bin/millstream"]
CMD ["run", "/etc/millstream/pipeline.toml"]
