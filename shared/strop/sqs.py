"""SQS by service name instead of URL, with batches and partial failures handled.

Needs `sqs:GetQueueUrl, SendMessage, ReceiveMessage, DeleteMessage, ChangeMessageVisibility, GetQueueAttributes`;
`create` also `sqs:CreateQueue, SetQueueAttributes`.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from strop_contracts import topology

BATCH = 10
BATCH_BYTES = 200_000
"""Under the 256 KB that older queues and local endpoints allow a batch; AWS itself takes 1 MiB."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    body: str
    reason: str | None = None  # travels as the attribute `reason`, for dead letters


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a queue did not accept a message of a batch."""

    reason: str
    permanent: bool  # the message is at fault; else the same message may be accepted later


@dataclass(frozen=True, slots=True)
class Incoming:
    id: str
    body: str
    receipt: str
    receives: int  # 1 at the first delivery
    reason: str | None = None  # why it is a dead letter; None when SQS itself moved it


class Queues:
    """The queues of one deployment, all named `{prefix}-{name}`."""

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._urls: dict[str, str] = {}

    async def create(self, names: Sequence[str] = topology.QUEUES) -> None:
        """Create each queue and its dead-letter queue; existing ones are brought up to date."""
        for name in names:
            dead = await self._create(topology.dead_letter(name), MessageRetentionPeriod="1209600")
            redrive = {"deadLetterTargetArn": await self.arn(dead), "maxReceiveCount": str(topology.MAX_RECEIVES)}
            await self._create(
                name,
                VisibilityTimeout=str(topology.VISIBILITY),
                MessageRetentionPeriod="345600",
                RedrivePolicy=json.dumps(redrive),
            )

    async def _create(self, name: str, **attributes: str) -> str:
        made = await self._client.create_queue(QueueName=f"{self._prefix}-{name}")
        await self._client.set_queue_attributes(QueueUrl=made["QueueUrl"], Attributes=attributes)
        return name

    async def url(self, name: str) -> str:
        if name not in self._urls:
            found = await self._client.get_queue_url(QueueName=f"{self._prefix}-{name}")
            self._urls[name] = found["QueueUrl"]
        return self._urls[name]

    async def arn(self, name: str) -> str:
        return str((await self._attributes(name, "QueueArn"))["QueueArn"])

    async def allow_s3(self, name: str, bucket: str) -> None:
        """Let the bucket's notifications in."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": await self.arn(name),
            "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        await self._client.set_queue_attributes(QueueUrl=await self.url(name), Attributes={"Policy": policy})

    async def depth(self, name: str) -> int:
        """How many messages wait or are in flight, as SQS estimates it."""
        found = await self._attributes(name, "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(value) for value in found.values())

    async def _attributes(self, name: str, *wanted: str) -> dict[str, str]:
        answer = await self._client.get_queue_attributes(QueueUrl=await self.url(name), AttributeNames=list(wanted))
        return dict(answer["Attributes"])

    async def send(self, name: str, messages: Sequence[Outgoing]) -> dict[int, Failure]:
        """Send all, in batches bounded by count and bytes, side by side; returns the failures by index. When a batch fails as a whole, the error is raised once the others have ended."""
        url = await self.url(name)
        ended = await asyncio.gather(
            *(self._send(url, batch, messages) for batch in batches(messages)), return_exceptions=True
        )
        failed: dict[int, Failure] = {}
        for each in ended:
            if isinstance(each, BaseException):
                raise each
            failed |= each
        return failed

    async def _send(self, url: str, batch: range, messages: Sequence[Outgoing]) -> dict[int, Failure]:
        entries = [_entry(index, messages[index]) for index in batch]
        try:
            answer = await self._client.send_message_batch(QueueUrl=url, Entries=entries)
        except ClientError as error:
            if error.response["Error"]["Code"].rpartition(".")[2] != "BatchRequestTooLong":
                raise
            return dict.fromkeys(
                batch, Failure(str(error), permanent=True)
            )  # one message that is too long by itself: see `batches`
        return {int(each["Id"]): _failure(each) for each in answer.get("Failed", [])}

    async def receive(self, name: str, wait: int = 20, limit: int = BATCH) -> list[Incoming]:
        """Wait up to `wait` seconds for messages. While the queue gives full batches, take up to `limit`, without waiting.

        The number of batches asked for doubles each time: a queue with few messages is not asked in vain, a full one is
        emptied quickly.
        """
        taken = await self._receive(name, wait, min(limit, BATCH))
        asked = 1
        while len(taken) == asked * BATCH <= limit - BATCH:
            more = min(asked, (limit - len(taken)) // BATCH)
            found = await asyncio.gather(
                *(self._receive(name, 0, BATCH) for _ in range(more)), return_exceptions=True
            )  # what failed will fail again, or come again
            taken += chain.from_iterable(each for each in found if not isinstance(each, BaseException))
            asked += more
        return taken

    async def _receive(self, name: str, wait: int, limit: int) -> list[Incoming]:
        answer = await self._client.receive_message(
            QueueUrl=await self.url(name),
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
            MessageAttributeNames=["reason"],
        )
        return [_incoming(message) for message in answer.get("Messages", [])]

    async def receive_until(self, stop: asyncio.Event, name: str, wait: int = 20, limit: int = BATCH) -> list[Incoming]:
        """Long-poll, but return at once on `stop` (a message received by then is delivered again after its visibility timeout)."""
        polling = asyncio.ensure_future(self.receive(name, wait, limit))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if polling.done():
            return polling.result()
        polling.cancel()
        return []

    async def delete(self, name: str, receipts: Sequence[str]) -> None:
        """Delete messages. One that cannot be deleted comes again, and the inbox absorbs it."""
        url = await self.url(name)
        entries = [{"Id": str(i), "ReceiptHandle": receipt} for i, receipt in enumerate(receipts)]
        cut = [entries[start : start + BATCH] for start in range(0, len(entries), BATCH)]
        await asyncio.gather(*(self._client.delete_message_batch(QueueUrl=url, Entries=each) for each in cut))

    async def hide(self, name: str, receipt: str, seconds: float) -> None:
        """Set the visibility timeout of a message: longer for work in progress, shorter for a retry."""
        await self._client.change_message_visibility(
            QueueUrl=await self.url(name), ReceiptHandle=receipt, VisibilityTimeout=max(0, min(43_200, round(seconds)))
        )


def batches(messages: Sequence[Outgoing]) -> Iterator[range]:
    """Cut into index ranges of at most BATCH messages and BATCH_BYTES bytes."""
    start = size = 0
    for index, message in enumerate(messages):
        added = len(message.body.encode()) + len((message.reason or "").encode())
        if index > start and (index - start == BATCH or size + added > BATCH_BYTES):
            yield range(start, index)
            start, size = index, 0
        size += added
    if start < len(messages):
        yield range(start, len(messages))


def _failure(entry: dict[str, Any]) -> Failure:
    return Failure(f"{entry['Code']}: {entry.get('Message', '')}", permanent=entry.get("SenderFault", True))


def _incoming(message: dict[str, Any]) -> Incoming:
    return Incoming(
        message["MessageId"],
        message["Body"],
        message["ReceiptHandle"],
        int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
        message.get("MessageAttributes", {}).get("reason", {}).get("StringValue"),
    )


def _entry(index: int, message: Outgoing) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": str(index), "MessageBody": message.body}
    if message.reason:
        reason = printable(message.reason)
        entry["MessageAttributes"] = {"reason": {"DataType": "String", "StringValue": reason}}
    return entry


def printable(reason: str) -> str:
    """A reason that a queue and a database take, whatever an error had to say."""
    return "".join(each if each.isprintable() else " " for each in reason[:1000])
