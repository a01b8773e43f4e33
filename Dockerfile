# The program `portcullis`, for compose.yaml. Its data folder is /data, the one place that it writes to: the
# rest may be read-only, and it needs no capability:
#
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges -p 8080:8080 -v portcullis:/data IMAGE
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN rustup target add wasm32-unknown-unknown \
 && cargo build --locked --release --package portcullis \
 && strip target/release/portcullis

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /src/target/release/portcullis /usr/local/bin/portcullis
# By number, so that whoever runs it can see that it is not root. It stays the same one: volumes belong to it.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# There is no other client of HTTP in it.
HEALTHCHECK --start-period=30s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["portcullis", "--data", "/data"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
