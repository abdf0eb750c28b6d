"""Which server takes the mail of an address: what the sources say, and what follows from it. Pure.

client.discovery asks the sources; here their answers are read and judged.
"""
