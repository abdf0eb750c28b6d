"""A server on the loopback that behaves as Microsoft 365 does when mail is submitted to it.

For tests, of Pillarbox and of anybody else: `async with Emulator(config)` (emulate.emulator) in a
program, `pillarbox emulate m365` as a command. It shares the protocol core of `pillarbox.smtp` with
the relay, and none of its reception, delivery or store, so that one mistake does not stand on both
sides. docs/emulator.md tells what is known of Microsoft's behaviour and what is guessed.
"""
