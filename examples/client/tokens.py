import os

import pillarbox


def provide() -> pillarbox.AccessToken:
    """Ask whoever gives out tokens; they are kept until shortly before their end."""
    return pillarbox.AccessToken(os.environ["MAIL_TOKEN"], expires_in=3600)


auth = pillarbox.OAuth2("app@example.org", provide)
with pillarbox.connect("submission://smtp.example.org", auth=auth) as client:
    print("logged in over", client.check())
