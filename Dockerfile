# The tag is the toolchain of rust-toolchain.toml, which is left out so that nothing more is installed here.
FROM rust:1.95.0-slim-bookworm AS build
# The C compiler is for SQLite and for ring, which are compiled in.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
# Cargo wants to see the test and the benchmarks that Cargo.toml names, though it builds none of them.
COPY tests/fixtures.rs tests/fixtures.rs
COPY benches/map/main.rs benches/map/main.rs
COPY benches/throughput.rs benches/throughput.rs
RUN cargo build --release --locked --bin cello-relay

FROM debian:bookworm-slim
# The certificates are what Cello's and Stripe's are checked against.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin relay \
    && install --directory --owner=relay --group=relay --mode=0700 /data
COPY --from=build /build/target/release/cello-relay /usr/local/bin/cello-relay

USER relay
# The store is where no `database_url` says otherwise: a variable for it would win against /data/relay.toml, unnoticed.
WORKDIR /data
VOLUME /data
ENV RELAY__SERVER__BIND=0.0.0.0:8080
# Health and metrics stay on the container's own 127.0.0.1:9090.
EXPOSE 8080
# Debian's bash can open a connection by itself, so that nothing has to be installed for this.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9090 && printf 'GET /health/ready HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["cello-relay"]
CMD ["serve"]
