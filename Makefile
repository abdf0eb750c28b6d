# What can be done here. `make` alone says so.

.PHONY: help run test check pyright fmt long world soak fuzz crash crash-m365 bench bench-dkim \
	bench-clients mx-load instructions

help:
	@echo "make run     start Pillarbox here: 127.0.0.1 ports 1587 and 1465, data in ./data"
	@echo "make test    check the code and run all tests (as root it installs what they need)"
	@echo "make check   ruff, mypy, layers"
	@echo "make fmt     format the code"
	@echo "make pyright check the examples of the library with pyright, strict (it needs Node)"
	@echo "make long    floods at full size, slow clients and limits in real time: an hour"
	@echo "make world   mail to an Internet of its own: signed DNS, mail programs of others, DANE and"
	@echo "             MTA-STS beside other judges; as root, in namespaces, three minutes"
	@echo "make soak    mixed load for half an hour: nothing may grow, nothing be lost;"
	@echo "             PILLARBOX_SOAK_MINUTES=3 for a look"
	@echo "make instructions"
	@echo "             instructions per message of some loads, under callgrind: five minutes"
	@echo "make fuzz    feed random octets to all that reads them, 10 minutes each"
	@echo "make crash   kill the service a thousand times and judge what became of the mail: two hours;"
	@echo "             PILLARBOX_CRASH_KILLS=20 for minutes, PILLARBOX_CRASH_SEED=... to repeat"
	@echo "make crash-m365"
	@echo "             10,000 messages by Microsoft 365, played, through all that goes wrong there and"
	@echo "             kills: half an hour; PILLARBOX_CRASH_MESSAGES=1000 for minutes"
	@echo "make mx-load 100,000 messages for 2,000 domains with good, slow, refusing and dead hosts:"
	@echo "             half an hour; ARGS='--messages 2000 --domains 200' for a look"
	@echo "make bench   compare with Postfix, five to ten minutes; ARGS='--profiles all' for all of it, ARGS=--help"
	@echo "make bench-dkim"
	@echo "             what signing costs: three services take turns, two minutes"
	@echo "make bench-clients"
	@echo "             compare the client library with smtplib, aiosmtplib and nodemailer: half an hour"

run:
	@scripts/run.sh

test:
	@scripts/venv.sh dev
	@scripts/tools.sh
	@$(MAKE) --no-print-directory check
# Images for containers often forbid to keep bytecode: hundreds of processes would compile all anew.
	@PYTHONDONTWRITEBYTECODE= .venv/bin/pytest -n 3 --dist loadfile

check:
	@scripts/venv.sh dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/pytest -q tests/test_layers.py

pyright:
	@scripts/venv.sh dev
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input pyright
	.venv/bin/pyright -p examples/client

fmt:
	@scripts/venv.sh dev
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

long:
	@scripts/venv.sh dev
	@.venv/bin/pytest -m long -p no:randomly --ignore=tests/soak

world:
	@scripts/venv.sh dev
	@scripts/tools.sh world
	@scripts/world.sh

soak:
	@scripts/venv.sh dev
	@scripts/tools.sh
	@.venv/bin/pytest -m long -s -p no:randomly tests/soak

fuzz:
	@scripts/venv.sh dev
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
		--editable ".[fuzz]"
	.venv/bin/pytest -m fuzz -s tests/fuzz

crash:
	@scripts/venv.sh dev
	@scripts/tools.sh
	@command -v cc >/dev/null || \
		{ echo "make crash: a C compiler is missing: apt-get install gcc libc6-dev" >&2; exit 1; }
	@.venv/bin/pytest -m crash -s -p no:randomly tests/crash

crash-m365:
	@scripts/venv.sh dev
	@.venv/bin/pytest -m crash -s -p no:randomly tests/crash/test_microsoft365.py

bench:
	@scripts/venv.sh dev
	@.venv/bin/python -m bench.run $(ARGS)

bench-dkim:
	@scripts/venv.sh dev
	@.venv/bin/python -m bench.dkim $(ARGS)

bench-clients:
	@scripts/venv.sh dev
	@scripts/tools.sh
	@.venv/bin/python -m bench.clients $(ARGS)
mx-load:
	@scripts/venv.sh dev
	@.venv/bin/python -m bench.mx_load $(ARGS)

instructions:
	@scripts/venv.sh dev
	@.venv/bin/python -m bench.instructions
