# SPDX-License-Identifier: MIT
# raygate. `make` alone prints what there is to make.

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

SYSTEM_PYTHON ?= python3
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
VENV   := .venv
PYTHON := $(VENV)/bin/python
PROFILE ?= seed

# `make -s` prints nothing of its own; without it, one short line per file.
say = @printf '  %-7s %s\n' '$(1)' '$(2)' >&2;
# The one-letter flags are MAKEFLAGS' first word and have no dash.
ifneq ($(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS)))),)
say = @
endif
ifdef V
say =
endif

# -- the core: freestanding C, the same objects' sources for every machine -------------------------
CORE_INCLUDES = -Ikernel/include -Ikernel/profiles/$(PROFILE) -Ikernel -Ishell \
                -isystem$(BEARSSL)/inc
CORE_WARNINGS := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wvla \
                 -Wstrict-prototypes -Wmissing-prototypes -Wframe-larger-than=1024
# Where jumps lie against 32-byte lines costs an x86 up to a third of a short loop (Intel's JCC
# erratum); an assembler that can pads them.
ALIGN_JUMPS   := -Wa,-mbranches-within-32B-boundaries
CORE_ALIGN    := $(shell echo | $(CC) $(ALIGN_JUMPS) -x assembler -c - -o /dev/null 2>/dev/null && \
                 echo $(ALIGN_JUMPS))
CORE_CFLAGS   := -std=c11 -ffreestanding -mgeneral-regs-only -O2 -fstack-protector-strong \
                 $(CORE_ALIGN) $(CORE_WARNINGS)
# BearSSL's files are compiled by the core's flags and their own; their warnings are not ours.
BEARSSL       := build/third_party/bearssl
BEARSSL_FILES := $(addprefix $(BEARSSL)/,$(shell cat tools/bearssl.files))
BEARSSL_FLAGS  = $(shell cat tools/bearssl.flags) -w -I$(BEARSSL)/inc -I$(BEARSSL)/src
CORE_SOURCES  := $(sort $(wildcard kernel/*.c kernel/*/*.c))
SHELL_SOURCES := $(sort $(wildcard shell/*.c))
CORE_HEADERS  := $(sort $(wildcard kernel/include/ray/*.h kernel/profiles/*/ray/*.h kernel/*.h \
                 kernel/*/*.h shell/*.h))

.PHONY: help
help: ## this text
	@printf 'raygate: one decision engine in C, on the host and in a bootable image\n\n'
	@for target in run sim test tidy image iso bench docs clean; do \
	    sed -n "s/^$$target:.*## */$$target\t/p" $(filter %Makefile boot/boot.mk,$(MAKEFILE_LIST)); \
	done | awk -F '\t' '{ printf "  make %-7s %s\n", $$1, $$2 }'
	@printf '\n  CONFIG=FILE.toml  configuration for run, sim   LOG=FILE  replayed before the prompt (run)\n'
	@printf '  V=1  shows every command   make -s  shows only the program itself\n'

# -- ready: what a fresh machine lacks -------------------------------------------------------------
READY_PYTHON := $(VENV)/raygate.stamp
READY_CRYPTO := $(BEARSSL)/ready
READY_QEMU   := build/ready-qemu
READY_ISO    := build/ready-iso
EXTENSIONS   := build/extensions.stamp

$(READY_PYTHON): pyproject.toml setup.py tools/setup.py
	@$(SYSTEM_PYTHON) tools/setup.py python && touch $@
$(READY_CRYPTO): tools/setup.py tools/bearssl.files
	@mkdir -p build && $(SYSTEM_PYTHON) tools/setup.py crypto && touch $@
$(BEARSSL_FILES): $(READY_CRYPTO) ;
$(READY_QEMU): tools/setup.py
	@mkdir -p build && $(SYSTEM_PYTHON) tools/setup.py qemu && touch $@
$(READY_ISO): tools/setup.py
	@mkdir -p build && $(SYSTEM_PYTHON) tools/setup.py iso && touch $@

$(EXTENSIONS): $(READY_PYTHON) $(READY_CRYPTO) $(CORE_SOURCES) $(SHELL_SOURCES) $(CORE_HEADERS) \
               $(wildcard host_sim/native/*) host_sim/_build.py
	$(call say,cffi,seed edge tiny)$(PYTHON) -m host_sim._build >>build/setup.log 2>&1 || \
	    { tail -40 build/setup.log >&2; exit 2; }
	@touch $@

.PHONY: ready extensions
ready: $(READY_PYTHON) $(READY_CRYPTO) $(READY_QEMU) $(EXTENSIONS)
extensions: $(EXTENSIONS)

# -- the image: the targets image and iso, and the files they make ---------------------------------
BUILD := build
include boot/boot.mk
image: $(READY_PYTHON) $(READY_CRYPTO)
iso: $(READY_ISO)
$(FROZEN_BLOB): | $(READY_PYTHON)

# -- the two machines ------------------------------------------------------------------------------
.PHONY: run
run: ready image ## boots the image and opens its console (CONFIG=, LOG=)
	@$(PYTHON) -m shell.console $(if $(CONFIG),--config '$(CONFIG)') $(if $(LOG),--log '$(LOG)')

SIM      := build/raygate-sim
SIM_DIR  := build/host/$(PROFILE)
SIM_CORE := $(patsubst %.c,$(SIM_DIR)/%.o,$(CORE_SOURCES) $(SHELL_SOURCES))
# The files of the native port; everything else in host_sim/native belongs to the Python extension.
SIM_PORT := $(patsubst %.c,$(SIM_DIR)/%.o,$(filter %/sim.c %/hal.c,$(wildcard host_sim/native/*.c)))

SIM_BEARSSL := $(BEARSSL_FILES:$(BEARSSL)/%.c=$(SIM_DIR)/bearssl/%.o)
$(SIM_BEARSSL): $(SIM_DIR)/bearssl/%.o: $(BEARSSL)/%.c Makefile tools/bearssl.flags
	@mkdir -p $(@D)
	$(call say,cc,$<)$(CC) $(CORE_CFLAGS) -g $(BEARSSL_FLAGS) -c $< -o $@
$(SIM_CORE): $(SIM_DIR)/%.o: %.c Makefile | $(READY_CRYPTO)
	@mkdir -p $(@D)
	$(call say,cc,$<)$(CC) $(CORE_CFLAGS) -Werror -g $(CORE_INCLUDES) -MMD -MP -c $< -o $@
$(SIM_PORT): $(SIM_DIR)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,cc,$<)$(CC) -std=gnu11 -O2 -g $(CORE_WARNINGS) -Werror $(CORE_INCLUDES) \
	    -Ihost_sim/native -MMD -MP -c $< -o $@
$(SIM): $(SIM_CORE) $(SIM_PORT) $(SIM_BEARSSL)
	$(call say,link,$@)$(CC) $^ -o $@
-include $(SIM_CORE:.o=.d) $(SIM_PORT:.o=.d)

.PHONY: sim
sim: $(SIM) $(FROZEN_BLOB) ## the same shell as a native program (CONFIG=)
	@$(if $(CONFIG),$(PYTHON) -m host_sim.config '$(CONFIG)' build/sim.blob >/dev/null &&) \
	$(SIM) --frozen $(FROZEN_BLOB) --scripts boot/frozen \
	    $(if $(CONFIG),--config build/sim.blob --name '$(basename $(notdir $(CONFIG)))')

# -- the C side of the benchmark, one program per profile ------------------------------------------
# Built as what is shipped to a host is (host_sim/_build.py): optimised as one program, for speed.
# Warnings are the other builds' matter: most of what -O3 adds is about paths it made itself.
BENCH       := build/bench-$(PROFILE)
BENCH_DIR   := build/bench-objects/$(PROFILE)
BENCH_WHOLE := $(if $(RAYGATE_QUICK),,-O3 -flto=auto)
BENCH_FLAGS  = $(BENCH_WHOLE) $(CORE_INCLUDES)
BENCH_CORE  := $(patsubst %.c,$(BENCH_DIR)/%.o,$(CORE_SOURCES))
BENCH_OWN   := tests/bench/bench.h tests/bench/bench.c $(BENCH_CORE) $(SIM_BEARSSL)
BENCH_LINK   = $(CC) -std=gnu11 -O2 $(CORE_ALIGN) $(BENCH_FLAGS) $(filter-out %.h,$^) -o $@
$(BENCH_CORE): $(BENCH_DIR)/%.o: %.c Makefile | $(READY_CRYPTO)
	@mkdir -p $(@D)
	$(call say,cc,$<)$(CC) $(filter-out $(CORE_WARNINGS),$(CORE_CFLAGS)) $(BENCH_FLAGS) -g -MMD -MP \
	    -c $< -o $@
$(BENCH): tests/bench/core.c tests/bench/monitor.c $(BENCH_OWN)
	$(call say,link,$@)$(BENCH_LINK)
# By themselves: one verification of a token, one choice of an instance, one body.
BENCH_ALONE := build/bench-token build/bench-picks build/bench-formats
$(BENCH_ALONE): build/bench-%: tests/bench/%.c $(BENCH_OWN)
	$(call say,link,$@)$(BENCH_LINK)
-include $(BENCH_CORE:.o=.d)

# -- proof -----------------------------------------------------------------------------------------
.PHONY: tidy test bench docs clean
# One law asks the shell what its page should say, so the shell has to be the one of these sources.
tidy: $(EXTENSIONS) ## the style laws, under a minute
	@$(PYTHON) -m tests.tidy

MINIMAL := build/port-minimal
$(MINIMAL): $(wildcard examples/port-minimal/*) $(CORE_SOURCES) $(SHELL_SOURCES) $(CORE_HEADERS) $(READY_CRYPTO)
	$(call say,port,$@)$(MAKE) -s -C examples/port-minimal OUT=$(abspath $@) CC=$(CC)

test: ready image iso $(SIM) $(MINIMAL) ## everything: laws, unit, model, property, journeys, image
	@$(PYTHON) -m tests.tidy
	@$(PYTHON) -m pytest $(PYTEST)

bench: ready image ## speed as ratios to a reference loop of the same run (ARGS=--json)
	@$(SYSTEM_PYTHON) tools/setup.py bench; $(PYTHON) -m tests.bench $(ARGS)

docs: $(EXTENSIONS) ## writes the generated pages of docs/ anew
	@$(PYTHON) tools/docs.py

clean: ## removes build/ (keeps .venv)
	@rm -rf build host_sim/_ext

# Prints a variable, so that the laws judge the shipped flags: make -s print-CORE_CFLAGS
print-%:
	@echo '$($*)'
