# make deps / run / install / uninstall / docs, and the check that stands before the first compiler call.
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(if $(filter /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc))
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(PREFIX)/share/doc/fairlead
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
	$(B)/fairlead serve --print-config >$(DESTDIR)$(DOCDIR)/fairlead.yaml
	[ -e $(DESTDIR)$(SYSCONFDIR)/fairlead/fairlead.yaml ] || \
	    install -m 644 $(DESTDIR)$(DOCDIR)/fairlead.yaml $(DESTDIR)$(SYSCONFDIR)/fairlead/fairlead.yaml

# A configuration that was changed stays.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,fairlead fairlead-load fairlead-tune) $(DESTDIR)$(UNITDIR)/fairlead.service
	! cmp -s $(DESTDIR)$(DOCDIR)/fairlead.yaml $(DESTDIR)$(SYSCONFDIR)/fairlead/fairlead.yaml || \
	    rm -f $(DESTDIR)$(SYSCONFDIR)/fairlead/fairlead.yaml
	rmdir $(DESTDIR)$(SYSCONFDIR)/fairlead 2>/dev/null || true
	rm -rf $(DESTDIR)$(DOCDIR)

# The tables of docs/OPERATING.md, printed by the program.
docs: $(B)/fairlead
	@packaging/docs.sh $(B)/fairlead

# Every stage runs, also after one failed; the last line is `N passed, N failed`.
.PHONY: test
test:
	@CC="$(CC)" packaging/deps.sh test
	@packaging/test.sh
