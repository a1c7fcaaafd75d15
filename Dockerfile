# The host and the plugins of the demo. Built from the sources in one stage, run without a compiler in the other.

FROM docker.io/library/rust:1.95-slim-bookworm AS build
# librdkafka, SQLite and zlib are compiled from source.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc g++ make perl \
 && rm -rf /var/lib/apt/lists/*
# What plugins are built for.
RUN test -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" \
 || rustup target add wasm32-unknown-unknown
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package millstream
RUN mkdir -p /out/plugins \
 && for plugin in format-user validate dedup; do \
      target/release/millstream plugin build "plugins/$plugin" --out "/out/plugins/$plugin.wasm" || exit 1; \
    done \
 && cp target/release/millstream /out/

FROM docker.io/library/debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/millstream --create-home millstream
COPY --from=build /out/millstream /usr/local/bin/millstream
COPY --from=build /out/plugins /etc/millstream/plugins
COPY deploy/pipeline.compose.toml /etc/millstream/pipeline.toml
USER millstream
WORKDIR /etc/millstream
# State and the embedded log; a volume of its own, so that a new image goes on where the old one stopped.
VOLUME /var/lib/millstream
ENTRYPOINT ["millstream"]
CMD ["run", "/etc/millstream/pipeline.toml"]
