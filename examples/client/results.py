import pillarbox

message = pillarbox.Message(
    sender="app@example.org", to=["ann@example.net", "bob@example.net"], subject="Hi", text="Hi"
)
with pillarbox.connect("smtps://smtp.example.org", auth=("app@example.org", "...")) as client:
    try:
        result = client.send(message)
    except pillarbox.Unconfirmed as error:
        # The server may have it: who sends it again may make a copy.
        print("nobody knows:", error)
    except pillarbox.ClientError as error:
        print(error.code, error.cause, error.fix, error.is_transient, error.retry_after)
    else:
        for one in result:
            print(one.address, one.state, one.code, one.enhanced_code, one.text)
        for one in result.refused:
            if one.is_transient:
                print("again in", one.retry_after, "seconds:", one.cause, one.fix)
