// Limits told as one page of HTML that needs nothing else (loadgen/html_page.h).
#ifndef FAIRLEAD_ADVICE_HTML_H
#define FAIRLEAD_ADVICE_HTML_H

#include "tuning/advice.h"

// `when` is shown as it is. 0, or -errno of what could not be written.
MUST_USE int advice_html_write(const char *path, const struct machine *machine,
                               const struct advice *advice, const char *when);

#endif
