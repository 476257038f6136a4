# One image per service:   docker build --build-arg SERVICE=router -t strop-router .
# The command:             docker build --target command --build-arg SERVICE=cli -t strop-cli .
# The device agent:        docker build --target command --build-arg SERVICE=edge -t strop-edge .
# A local S3 and SQS:      docker build --target aws -t strop-aws .
# docker-compose.yml builds them all. Nothing here is written to at run time: use a read-only root and a tmpfs on /tmp.

FROM python:3.11-slim-bookworm AS uv
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
COPY requirements/uv.txt /tmp/
RUN python -m venv /uv && /uv/bin/python -m pip install --no-cache-dir --quiet -r /tmp/uv.txt \
    && python -m venv --without-pip /opt/strop

# Before the code, so that a change of code leaves this layer as it is.
FROM uv AS requirements
ARG SERVICE
COPY requirements/$SERVICE.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/uv \
    /uv/bin/uv pip install --quiet --python /opt/strop/bin/python --require-hashes -r /tmp/requirements.txt

# The packages that SERVICE imports, and a script that starts it.
FROM python:3.11-slim-bookworm AS code
ARG SERVICE
WORKDIR /source
COPY . .
RUN mkdir -p /app/lib \
    && case "$SERVICE" in \
         cli) package=strop_cli; cp -r shared/* edge/* cli/* services/*/*/ /app/lib; cp -r migrations /app ;; \
         edge) package=strop_edge; cp -r shared/strop_wire shared/strop_image edge/* /app/lib ;; \
         *) package=$(basename "services/$SERVICE"/*/); cp -r shared/* "services/$SERVICE/$package" /app/lib; \
            if grep -q '"strop-edge"' "services/$SERVICE/pyproject.toml"; then cp -r edge/* /app/lib; fi; \
            if ! grep -q '"strop\[web\]"' "services/$SERVICE/pyproject.toml"; then rm -r /app/lib/strop_web; fi ;; \
       esac \
    && printf '#!/bin/sh\nexec python -m %s "$@"\n' "$package" > /app/run && chmod 755 /app/run \
    && python -m compileall -q /app/lib

FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/strop/bin:$PATH PYTHONPATH=/app/lib PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --no-create-home --home-dir /tmp strop \
    && install -d -o strop -g strop /var/lib/strop
WORKDIR /var/lib/strop

# S3 and SQS for one machine: the same pin as in run.txt, without the rest of it. It checks no signature: keep it to yourself.
FROM uv AS aws-requirements
COPY requirements/run.txt /tmp/
RUN sed -n '/^roto-aws==/,/[^\\]$/p' /tmp/run.txt > /tmp/requirements.txt \
    && /uv/bin/uv pip install --quiet --no-cache --python /opt/strop/bin/python --require-hashes -r /tmp/requirements.txt

FROM base AS aws
COPY --from=aws-requirements /opt/strop /opt/strop
USER 10001
EXPOSE 9000
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9000/roto-api/health', timeout=2)"]
CMD ["roto-server", "--durable", "--data-dir", "/var/lib/strop", "--host", "0.0.0.0", "--port", "9000"]

FROM base AS command
COPY --from=requirements /opt/strop /opt/strop
COPY --from=code /app /app
USER 10001
ENTRYPOINT ["/app/run"]

FROM command AS service
ENV STROP_HOST=0.0.0.0 STROP_PORT=8080
EXPOSE 8080
# Each look starts an interpreter: more often would cost a tenth of a core for all services of one machine.
HEALTHCHECK --interval=15s --timeout=4s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=3)"]
