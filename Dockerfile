# The program `portcullis`, for compose.yaml. Its data folder is /data.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN rustup target add wasm32-unknown-unknown && cargo build --locked --release

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --create-home portcullis
COPY --from=build /src/target/release/portcullis /usr/local/bin/portcullis
USER portcullis
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["portcullis", "--data", "/data"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
