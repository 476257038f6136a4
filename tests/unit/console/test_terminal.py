from console import terminal


def test_commands_carry_the_arn_and_the_address_and_can_be_pasted() -> None:
    found = terminal.commands("arn:x", "http://here:1")

    assert found[0].text == (
        'aws rekognition start-project-version \\\n  --project-version-arn "arn:x" \\\n'
        "  --min-inference-units 1 \\\n  --endpoint-url http://here:1"
    )
    assert all("arn:x" in command.text and "http://here:1" in command.text for command in found)
