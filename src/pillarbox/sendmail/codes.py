"""Exit codes of sysexits.h, as programs that call sendmail understand them."""

OK = 0
USAGE = 64
DATA = 65
NO_USER = 67
UNAVAILABLE = 69
SOFTWARE = 70
TRY_LATER = 75
NO_PERMISSION = 77
CONFIG = 78
