"""What to type to do the same from a terminal."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    title: str
    text: str


def commands(arn: str, url: str) -> list[Command]:
    """What to type to start a model, ask it and stop it with the AWS CLI."""

    def command(operation: str, *options: str) -> str:
        lines = [f"aws rekognition {operation}", f'--project-version-arn "{arn}"', *options, f"--endpoint-url {url}"]
        return " \\\n  ".join(lines)

    s3_object = """--image '{"S3Object": {"Bucket": "MY_BUCKET", "Name": "PATH_TO_MY_IMAGE"}}'"""
    return [
        Command("Start the model", command("start-project-version", "--min-inference-units 1")),
        Command("Ask it about a file", command("detect-custom-labels", "--image-bytes fileb://MY_IMAGE.jpg")),
        Command("Ask it about an image in S3", command("detect-custom-labels", s3_object)),
        Command("Stop the model", command("stop-project-version")),
    ]
