"""The program `pillarbox-sendmail`: takes mail as /usr/sbin/sendmail does, sends it by a profile.

It begins quickly, so nothing here imports dataclasses, pathlib or the client before it must.
"""
