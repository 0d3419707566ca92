# syntax=docker/dockerfile:1

# `docker build .` makes the image that runs in production; `--target dev` the one of docker-compose.dev.yaml.

# Any Rust from the workspace's `rust-version` on will do. Build and run share one Debian, so that the program finds
# the C library that it was linked with.
ARG RUST_VERSION=1.95
ARG DEBIAN=bookworm

FROM rust:${RUST_VERSION}-slim-${DEBIAN} AS toolchain
WORKDIR /src

# Builds the dependencies in a layer of their own, which only a change of Cargo.lock or of a manifest takes away.
FROM toolchain AS chef
RUN cargo install cargo-chef --version 0.1.78 --locked

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# A panic still names its functions; the lines would double the program's size.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
COPY --from=plan /src/recipe.json recipe.json
RUN cargo chef cook --release --locked --package selfsame --bin selfsame --recipe-path recipe.json
COPY . .
RUN cargo build --release --locked --package selfsame --bin selfsame

# Rebuilds and restarts at every change of the source that is mounted at /src. watchexec, because cargo-watch is no
# longer kept (its author points here too), and because it stops a server by SIGTERM, so that each one drains.
FROM toolchain AS dev
RUN cargo install watchexec-cli --version 2.5.1 --locked
ENV CARGO_TARGET_DIR=/target HOST=0.0.0.0 PORT=3000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=15m CMD ["/target/debug/selfsame", "healthcheck"]
CMD ["watchexec", "--restart", "--stop-signal", "SIGTERM", "--stop-timeout", "25s", \
    "--watch", "crates", "--watch", "Cargo.toml", "--watch", "Cargo.lock", \
    "--", "cargo", "run", "--package", "selfsame", "--", "serve"]

FROM debian:${DEBIAN}-slim AS run
# Authorities for TLS to a database; taken from the build's image, so that this one installs nothing.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
RUN groupadd --gid 10001 selfsame \
    && useradd --uid 10001 --gid selfsame --home-dir /var/lib/selfsame --no-create-home --shell /usr/sbin/nologin selfsame \
    && install --directory --mode 0700 --owner selfsame --group selfsame /var/lib/selfsame
COPY --from=build /src/target/release/selfsame /usr/local/bin/selfsame
# By number, so that an orchestrator can see that it isn't root.
USER 10001:10001
# The embedded database, selfsame.db, is made in the current folder.
WORKDIR /var/lib/selfsame
VOLUME /var/lib/selfsame
# Loopback inside a container is reached by nobody. The server refuses this address unless it is told
# SELFSAME_INSECURE_NO_AUTH=true, so no port is open by accident.
ENV HOST=0.0.0.0 PORT=3000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["selfsame", "healthcheck"]
ENTRYPOINT ["selfsame"]
CMD ["serve"]
