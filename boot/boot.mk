# SPDX-License-Identifier: MIT
# boot.mk: the bootable image. Included by the top Makefile; `make -f boot/boot.mk image` works too.
BUILD ?= build
PYTHON ?= .venv/bin/python
IMAGE_CC ?= gcc
IMAGE_DIR := $(BUILD)/image
IMAGE := $(BUILD)/raygate.elf
ISO := $(BUILD)/raygate.iso
FROZEN_BLOB := $(BUILD)/frozen/rayos.blob
# Twelve modules with their commands and cryptography; 256 KB held seven.
IMAGE_SIZE_MAX := 393216

IMAGE_WARN := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wvla \
  -Wstrict-prototypes -Wmissing-prototypes -Wframe-larger-than=1024 -Werror
IMAGE_FLAGS := -std=c11 -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-pic -fno-pie \
  -mcmodel=small -fstack-protector-strong -fno-omit-frame-pointer -ffunction-sections \
  -fdata-sections -fcf-protection=none -fno-asynchronous-unwind-tables -fno-ident \
  -mstringop-strategy=libcall -ffile-prefix-map=$(CURDIR)/= $(IMAGE_WARN) \
  -Ikernel/include -Ikernel/profiles/seed -Ikernel -Ishell -isystembuild/third_party/bearssl/inc
# The core is optimised as one program, for size but for what every request goes through: a governed
# request took 7.3 us under TCG so, and 9.1 us where that was -O2 too, which saves 19 KB.
IMAGE_CORE_OPT ?= -Os -flto
IMAGE_HOT_OPT ?= -O3 -flto
IMAGE_EDGE_OPT ?= -Os

IMAGE_CORE_C := $(sort $(wildcard kernel/kernel.c kernel/*/*.c))
IMAGE_HOT_C := kernel/kernel.c $(addprefix kernel/pipeline/, admit.c ask.c judge.c complete.c \
  digest.c tick.c inflight.c guard.c) $(addprefix kernel/base/, siphash.c crc32c.c fixed.c \
  histogram.c bytes.c) $(addprefix kernel/ratelimit/, ask.c bucket.c algorithm.c keys.c window.c \
  ratelimit.c) $(addprefix kernel/quota/, quota.c table.c window.c guard.c alert.c) \
  $(addprefix kernel/gateway/, lookup.c path.c request.c) $(addprefix kernel/governance/, \
  governance.c rows.c pairs.c series.c waits.c) $(addprefix kernel/apimon/, apimon.c rows.c \
  edges.c windows.c) $(addprefix kernel/policy/, policy.c match.c)
IMAGE_EDGE_C := $(sort $(wildcard shell/*.c boot/*.c))
IMAGE_S := $(sort $(wildcard boot/*.S))
IMAGE_CORE_O := $(IMAGE_CORE_C:%.c=$(IMAGE_DIR)/%.o)
IMAGE_EDGE_O := $(IMAGE_EDGE_C:%.c=$(IMAGE_DIR)/%.o)
IMAGE_S_O := $(IMAGE_S:%.S=$(IMAGE_DIR)/%.S.o)
# Fetched by `make ready`. For size, and by itself: what must take the same time for every secret
# is not optimised together with what knows the secrets.
IMAGE_BEARSSL := build/third_party/bearssl
IMAGE_BEARSSL_O := $(addprefix $(IMAGE_DIR)/bearssl/,$(patsubst %.c,%.o,\
  $(shell cat tools/bearssl.files)))
IMAGE_O := $(IMAGE_CORE_O) $(IMAGE_EDGE_O) $(IMAGE_S_O) $(IMAGE_BEARSSL_O)

.PHONY: image iso image-parallel
image:  ## the bootable ELF, build/raygate.elf
	@$(MAKE) -s -f boot/boot.mk -j$(shell nproc) BUILD=$(BUILD) PYTHON=$(PYTHON) $(IMAGE)

iso: image  ## a bootable ISO (BIOS and UEFI), build/raygate.iso
	@sh boot/mkiso.sh $(IMAGE) $(ISO)

# What is shipped: the image packed, behind an entry that takes it apart (boot/packed).
$(IMAGE): $(IMAGE_DIR)/raygate.packed boot/packed/unpack.S boot/packed/link.ld
	$(IMAGE_CC) -c -I$(IMAGE_DIR) boot/packed/unpack.S -o $(IMAGE_DIR)/unpack.o
	ld -nostdlib -static -z max-page-size=16 -z noexecstack --build-id=none \
	  -T boot/packed/link.ld -o $(IMAGE_DIR)/packed.elf $(IMAGE_DIR)/unpack.o
	objcopy --strip-all $(IMAGE_DIR)/packed.elf
	@size=$$(stat -c %s $(IMAGE_DIR)/packed.elf); test $$size -le $(IMAGE_SIZE_MAX) || \
	  { echo "$@ would have $$size bytes, more than $(IMAGE_SIZE_MAX)"; exit 1; }
	@mv $(IMAGE_DIR)/packed.elf $@

$(IMAGE_DIR)/raygate.packed: $(BUILD)/raygate.debug.elf $(IMAGE_DIR)/pack
	objcopy -O binary $< $(IMAGE_DIR)/raygate.bin
	$(IMAGE_DIR)/pack $(IMAGE_DIR)/raygate.bin $@

$(IMAGE_DIR)/pack: tools/pack.c
	@mkdir -p $(@D)
	$(IMAGE_CC) -std=c11 -O1 -Wall -Wextra -Werror $< -o $@

# A frame is judged where its file is compiled: what is inlined here adds two frames that stood on
# the stack together anyway.
# The same image unpacked and with symbols: boots with -kernel too, for gdb and addr2line.
$(BUILD)/raygate.debug.elf: $(IMAGE_O) boot/link.ld
	$(IMAGE_CC) $(filter-out -I% -Wframe-larger-than=%,$(IMAGE_FLAGS)) -O2 -flto=$(shell nproc) -nostdlib -static \
	  -Wl,-z,max-page-size=4096,-z,noexecstack,--gc-sections,--build-id=none \
	  -T boot/link.ld -o $@ $(IMAGE_O)

$(IMAGE_CORE_O): $(IMAGE_DIR)/%.o: %.c boot/boot.mk
	@mkdir -p $(@D)
	$(IMAGE_CC) $(IMAGE_FLAGS) $(if $(filter $<,$(IMAGE_HOT_C)),$(IMAGE_HOT_OPT),$(IMAGE_CORE_OPT)) \
	  -MMD -MP -c $< -o $@

$(IMAGE_BEARSSL_O): $(IMAGE_DIR)/bearssl/%.o: $(IMAGE_BEARSSL)/%.c boot/boot.mk tools/bearssl.flags
	@mkdir -p $(@D)
	$(IMAGE_CC) $(IMAGE_FLAGS) -Os $(shell cat tools/bearssl.flags) -w -I$(IMAGE_BEARSSL)/inc \
	  -I$(IMAGE_BEARSSL)/src -c $< -o $@

$(IMAGE_EDGE_O): $(IMAGE_DIR)/%.o: %.c boot/boot.mk
	@mkdir -p $(@D)
	$(IMAGE_CC) $(IMAGE_FLAGS) $(IMAGE_EDGE_OPT) -MMD -MP -c $< -o $@

$(IMAGE_DIR)/%.S.o: %.S boot/boot.mk
	@mkdir -p $(@D)
	$(IMAGE_CC) -c -I$(BUILD)/frozen -Iboot/frozen $< -o $@

$(IMAGE_DIR)/boot/frozen.S.o: $(FROZEN_BLOB) boot/frozen/boot.ray boot/frozen/demo.ray

$(FROZEN_BLOB): examples/rayos.toml $(wildcard host_sim/config/*.py)
	@mkdir -p $(@D)
	$(PYTHON) -m host_sim.config $< $@ >/dev/null

-include $(IMAGE_O:.o=.d)
