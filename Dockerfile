# One image per service, by --target: transform, sender, test-hl7-server, secret-files; the bill of materials by
# --target sbom. Built and run without a registry by scripts/image.sh, in continuous integration.
#
# Base images are pinned by tag. Where your policy asks for digests, pin them here: the tags are all in this block.
ARG RUST=rust:1.95.0-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS tools
WORKDIR /build
RUN cargo install cargo-chef --locked --version 0.1.77 \
    && cargo install cargo-cyclonedx --locked --version 0.5.9

# The list of dependencies. It changes when a manifest does, not when code does.
FROM tools AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM tools AS dependencies
COPY rust-toolchain.toml .
COPY --from=plan /build/recipe.json .
RUN cargo chef cook --release --locked --recipe-path recipe.json \
        --package transform --package sender --package test-hl7-server --package secret-files

FROM dependencies AS build
COPY . .
RUN cargo build --release --locked \
        --package transform --package sender --package test-hl7-server --package secret-files \
    && mkdir -p /out/tls \
    && cp target/release/transform target/release/sender target/release/test-hl7-server target/release/secret-files /out/

# What is in the binaries, as CycloneDX: docker build --target sbom --output sbom .
FROM build AS materials
RUN cargo cyclonedx --format json --target all --spec-version 1.5 --override-filename bom \
    && mkdir /sbom \
    && for service in transform sender test-hl7-server crates/secret-files; do \
        cp "${service}/bom.json" "/sbom/$(basename "${service}").cdx.json"; \
    done

FROM scratch AS sbom
COPY --from=materials /sbom/ /

# No shell, no package manager; certificates of public authorities and the C library are there.
FROM ${RUNTIME} AS runtime
USER 65532:65532
ENTRYPOINT ["/service"]

# Fargate makes an empty volume root's own, unless the image says whose it is.
FROM runtime AS runtime-with-tls
COPY --from=build --chown=65532:65532 /out/tls /tls
VOLUME ["/tls"]

FROM runtime AS transform
COPY --from=build /out/transform /service

FROM runtime-with-tls AS sender
COPY --from=build /out/sender /service

FROM runtime-with-tls AS test-hl7-server
COPY --from=build /out/test-hl7-server /service

FROM runtime-with-tls AS secret-files
COPY --from=build /out/secret-files /service
