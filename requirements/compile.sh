#!/usr/bin/env bash
# Pin every member's needs with hashes: one file per service for its image, `run.txt` for one machine, `dev.txt` on top.
# Our own members are left out (they are in the repository), releases younger than a week too.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
ours() { sed -nE 's/^  "(.*)",$/\1/p' "$@" | grep -vE '^(strop|shared|edge|cli|devstack|services)(-|$|/|\[)' | sort -u; }
pin() { # OUTPUT, then the requirement lines on standard input
  "$uv" pip compile - --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --exclude-newer "${EXCLUDE_NEWER:-$(date -u -d '7 days ago' +%F 2>/dev/null || date -u -v-7d +%F)}" -o "requirements/$1.txt"
  echo "requirements/$1.txt"
}
deps() { # of members; those with pages name an extra of `shared`
  { for member in "$@"; do
      sed -n '/^dependencies/,/^]/p' "$member/pyproject.toml"
      if grep -q '"strop\[web\]"' "$member/pyproject.toml"; then sed -n '/^web = /,/^]/p' shared/pyproject.toml; fi
    done; } | ours
}
for service in services/*/; do
  agent=$(grep -q '"strop-edge"' "$service/pyproject.toml" && echo edge) || agent=
  deps shared $agent "$service" | pin "$(basename "$service")"
done
deps edge | pin edge
deps shared edge cli services/* | pin cli
deps shared edge cli devstack services/* | pin run
{ deps shared edge cli devstack services/*; cat requirements/dev.in; } | pin dev
printf '%s\n' awscli cfn-lint | pin awscli  # a separate environment: programs of others, with versions of their own
