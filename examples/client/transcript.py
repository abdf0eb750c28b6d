import pillarbox

lines: list[str] = []
with pillarbox.connect(
    "submission://smtp.example.org", auth=("app@example.org", "..."), transcript=lines
) as client:
    client.check()
print("\n".join(lines))
