"""How the console is wired: pages, a client of the Custom Labels API, pictures kept in memory. It consumes no events."""

from console import page_context, try_model, web
from console.evaluation_outcomes import Files
from console.picture_cache import Pictures
from console.recent import Recent
from console.rekognition import Rekognition
from console.settings import Settings
from strop import app
from strop.settings import Settings as Shared
from strop_web import failures

NAME = "console"

KEPT = 5.0
"""Seconds for which reports and counts of a project are shown again: pages poll as often."""


def build(runtime: app.Runtime) -> app.Service:
    settings = Settings()
    rekognition = Rekognition(settings.rekognition_url)
    pictures = Pictures(runtime.storage, settings.thumbnails * 2**20)
    tools = page_context.Tools(settings, rekognition, pictures, Files(runtime.storage), Recent(KEPT))
    return app.Service(
        loops=[rekognition.run],
        routes=page_context.lend(tools, web.router),
        ready=lambda: rekognition.ready,
        errors=failures.HANDLERS,
        bodies={"/console/projects/*/try": try_model.LARGEST_UPLOAD + 2**20},  # images to try
    )


if __name__ == "__main__":
    app.main(NAME, Shared(), build)
