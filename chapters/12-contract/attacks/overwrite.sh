#!/bin/sh
# A program of the image, which the host runs as a hook. While it runs, process 1 is the runtime still.
# ANCHOR: overwrite
(
  exec 3< /proc/1/exe
  # "Text file busy" until nobody runs it any more.
  until { printf '#!/bin/sh\necho "I was a runtime"\n' > /proc/self/fd/3; } 2> /dev/null; do
    sleep 0.05
  done &
)
exit 0
# ANCHOR_END: overwrite
