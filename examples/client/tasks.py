import asyncio

import pillarbox


async def main() -> None:
    auth = ("app@example.org", "...")
    async with (
        pillarbox.connect_async("smtps://smtp.example.org", auth=auth) as client,
        asyncio.TaskGroup() as group,
    ):
        for name in ("ann", "bob", "carol"):
            message = pillarbox.Message(
                sender="app@example.org", to=f"{name}@example.net", subject="Hi", text="Hi"
            )
            group.create_task(client.send(message))


asyncio.run(main())
