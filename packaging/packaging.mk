# make deps / run / install / uninstall / docs, and the check that stands before the first compiler call.
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(if $(filter /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc))
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(PREFIX)/share/doc/fairlead
# fairlead-tune looks for them at ../share/fairlead/profiles from itself.
PROFILEDIR := $(PREFIX)/share/fairlead/profiles
ARGS ?=
DEPS ?= run

# Written once headers were found: a missing one is a sentence, not a compiler error.
build/host/deps_ok: packaging/deps.sh
	@mkdir -p $(@D)
	@CC="$(CC)" packaging/deps.sh check && touch $@

.PHONY: deps run install uninstall docs
deps:
	@CC="$(CC)" packaging/deps.sh $(DEPS)

run:
	@CC="$(CC)" packaging/deps.sh run
	@$(MAKE) --no-print-directory $(B)/fairlead
	@packaging/run.sh $(B)/fairlead $(ARGS)

install: $(B)/fairlead $(B)/fairlead-load $(B)/fairlead-tune
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITDIR) $(DESTDIR)$(DOCDIR) $(DESTDIR)$(SYSCONFDIR)/fairlead
	install -m 755 $^ $(DESTDIR)$(PREFIX)/bin
	sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' packaging/fairlead.service \
	    >$(DESTDIR)$(UNITDIR)/fairlead.service
	chmod 644 $(DESTDIR)$(UNITDIR)/fairlead.service
	install -m 644 README.md LICENSE $(wildcard docs/*.md) $(DESTDIR)$(DOCDIR)
	for profile in chat hold bench; do \
	    install -d $(DESTDIR)$(PROFILEDIR)/$$profile && \
	    install -m 644 tuning/profiles/$$profile/*.conf $(DESTDIR)$(PROFILEDIR)/$$profile || exit 1; done
	install -m 755 tuning/profiles/irq.sh tuning/profiles/seccomp.sh $(DESTDIR)$(PROFILEDIR)
	install -m 644 tuning/profiles/README.md $(DESTDIR)$(PROFILEDIR)
	$(B)/fairlead serve --print-config >$(DESTDIR)$(DOCDIR)/fairlead.yaml
	[ -e $(DESTDIR)$(SYSCONFDIR)/fairlead/fairlead.yaml ] || \
	    install -m 644 $(DESTDIR)$(DOCDIR)/fairlead.yaml $(DESTDIR)$(SYSCONFDIR)/fairlead/fairlead.yaml

# A configuration that was changed stays.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,fairlead fairlead-load fairlead-tune) $(DESTDIR)$(UNITDIR)/fairlead.service
	! cmp -s $(DESTDIR)$(DOCDIR)/fairlead.yaml $(DESTDIR)$(SYSCONFDIR)/fairlead/fairlead.yaml || \
	    rm -f $(DESTDIR)$(SYSCONFDIR)/fairlead/fairlead.yaml
	rmdir $(DESTDIR)$(SYSCONFDIR)/fairlead 2>/dev/null || true
	rm -rf $(DESTDIR)$(DOCDIR) $(DESTDIR)$(PROFILEDIR)
	rmdir $(DESTDIR)$(PREFIX)/share/fairlead 2>/dev/null || true

# The tables of docs/OPERATING.md, printed by the program, and of docs/TUNING.md, from the profiles.
docs: $(B)/fairlead
	@packaging/docs.sh $(B)/fairlead

# Every stage runs, also after one failed; the last line is `N passed, N failed`.
.PHONY: test
test:
	@CC="$(CC)" packaging/deps.sh test
	@packaging/test.sh
