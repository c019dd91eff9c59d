# SPDX-License-Identifier: GPL-2.0-or-later
#
# make install DESTDIR=/somewhere   what a PM needs, where Debian has it
# make deb                          Debian packages: build/deb/*.deb
#
# A program named $(B)/av-NAME in PROGRAMS is a helper of the agent and goes to
# /usr/lib/avpair by itself; those of tests and of deploy/try are taken out here.
DESTDIR ?=
PLUGIN_DIR := $(or $(shell pkg-config --variable=plugindir nbdkit 2>/dev/null),/usr/lib/nbdkit/plugins)
# where the agent looks for the plugin when avnoded.conf doesn't say
$(B)/nodeagent/conf.o: EXTRA_CFLAGS += -DAV_PLUGIN_DIR='"$(PLUGIN_DIR)"'

INSTALL_SBIN = $(B)/avnoded $(B)/av-watchdog $(B)/avconsoled
INSTALL_LIB = $(filter-out $(INSTALL_SBIN) $(addprefix $(B)/av-,pminit recordctl recordd beatd),\
	$(filter $(B)/av-% $(B)/avpair-%.so,$(PROGRAMS)))
# no av-setup, no unit for it
INSTALL_UNITS = $(filter-out $(if $(filter %/av-setup,$(PROGRAMS)),,%/avpair-setup.service),\
	$(wildcard deploy/systemd/*.service deploy/systemd/*.slice))
INSTALL_PLUGIN = $(B)/nbdkit-avreplica-plugin.so
INSTALL_ALL = $(INSTALL_SBIN) $(INSTALL_LIB) $(INSTALL_PLUGIN) $(B)/avcli

put = install -D -m $(1) $(2) $(DESTDIR)$(3)
install:
	$(Q)$(MAKE) --no-print-directory install-build
	$(Q)for f in $(INSTALL_SBIN); do $(call put,755,$$f,/usr/sbin/$${f##*/}) || exit 1; done
	$(Q)for f in $(filter-out %.so,$(INSTALL_LIB)); do \
	  $(call put,755,$$f,/usr/lib/avpair/$${f##*/}) || exit 1; done
	$(Q)for f in $(filter %.so,$(INSTALL_LIB)); do \
	  $(call put,644,$$f,/usr/lib/avpair/$${f##*/}) || exit 1; done
	$(Q)for f in pm-shutdown smartd-report; do \
	  $(call put,755,deploy/systemd/$$f,/usr/lib/avpair/$$f) || exit 1; done
	$(Q)$(call put,644,$(INSTALL_PLUGIN),$(PLUGIN_DIR)/$(notdir $(INSTALL_PLUGIN)))
	$(Q)$(call put,755,$(B)/avcli,/usr/bin/avcli)
	$(Q)$(call put,644,avcli/avcli.bash,/usr/share/bash-completion/completions/avcli)
	$(Q)for f in avcli/avcli.1 deploy/man/*.[158]; do \
	  $(call put,644,$$f,/usr/share/man/man$${f##*.}/$${f##*/}) || exit 1; done
	$(Q)cd webui/app && find . -type f | sort | while read -r f; do \
	  $(call put,644,$$f,/usr/share/avpair/webui/$${f#./}) || exit 1; done
	$(Q)for f in $(INSTALL_UNITS); do \
	  $(call put,644,$$f,/lib/systemd/system/$${f##*/}) || exit 1; done
	$(Q)$(call put,644,deploy/systemd/corosync.conf,/lib/systemd/system/corosync.service.d/avpair.conf)
	$(Q)$(if $(filter %/av-xenrun,$(PROGRAMS)),$(call put,644,deploy/systemd/xendomains.conf,/lib/systemd/system/xendomains.service.d/avpair.conf),:)
	$(Q)$(call put,644,deploy/systemd/tmpfiles.conf,/usr/lib/tmpfiles.d/avpair.conf)
	$(Q)$(call put,644,deploy/systemd/sysusers.conf,/usr/lib/sysusers.d/avpair-console.conf)

# a make of its own: only here all modules have named their programs
install-build: ; $(Q)$(MAKE) --no-print-directory $(INSTALL_ALL)

deb:
	$(Q)deploy/deb
.PHONY: install install-build deb
