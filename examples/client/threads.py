from concurrent.futures import ThreadPoolExecutor

import pillarbox

pool = pillarbox.Pool(connections=3, messages=100, age=300, idle=30, rate=(300, 60))
auth = pillarbox.Password("app@example.org", "...")


def greet(name: str) -> bool:
    message = pillarbox.Message(
        sender="app@example.org", to=f"{name}@example.net", subject="Hello", text=f"Hello {name}"
    )
    return client.send(message).is_complete


with (
    pillarbox.connect("smtps://smtp.example.org", auth=auth, pool=pool) as client,
    ThreadPoolExecutor(10) as threads,
):
    print(sum(threads.map(greet, ["ann", "bob", "carol", "dave"])), "sent")
