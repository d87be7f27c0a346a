/* SPDX-License-Identifier: MIT */
/* main.c - what starts in which order, then one loop that serves console and link and otherwise
 * halts. */
#include "boot.h"
#include "rayconfigport.h"
#include "x86.h"

enum { BLOB_ALIGN = 64 };
#define NS_PER_S 1000000000ull

static struct ray *ray;
static struct ray_secrets *secrets;
static ray_machine machine;
static boot_info boot;
static ray_console console;
static char out_bytes[RAY_PORT_OUT_BYTES];
static ray_script script = {"fw_cfg opt/raygate/script", "", 0};

/* -- configuration -- */
typedef struct source {
    const char *name;
    const char *config_name;
    const uint8_t *at;
    uint64_t bytes;
} source;

/* What the banner calls a configuration that was handed over. */
static const char *name_given(void)
{
    static char name[RAY_NAME_BYTES];
    fwcfg_item item = fwcfg_find("opt/raygate/name");

    if (!item.found || !item.size || item.size >= sizeof name)
        return "fw_cfg";
    fwcfg_read(&item, name, item.size);
    return name;
}

static source from_fwcfg(void)
{
    fwcfg_item item = fwcfg_find("opt/raygate/config");
    source s = {"fw_cfg opt/raygate/config", name_given(), NULL, item.size};

    if (item.found && item.size <= RAY_CONFIG_BYTES_MAX) {
        void *to = memory_take(item.size, BLOB_ALIGN);
        fwcfg_read(&item, to, item.size);
        s.at = to;
    } else if (item.found) {
        print_text("raygate: ALARM: fw_cfg opt/raygate/config is too large for a configuration\n");
    }
    return s;
}

/* Modules are page-aligned with both loaders; where one is not, the loader's check of the
 * address refuses it. */
static source from_module(void)
{
    uint64_t bytes = boot.module.end - boot.module.start;

    return (source){"boot module", "module",
                    bytes ? (const uint8_t *)(uintptr_t)boot.module.start : NULL, bytes};
}

static uint32_t load(const source *s)
{
    ray_config_report report;

    if (!s->at)
        return 0;
    memset(&report, 0, sizeof report);
    if (ray_config_load(ray, secrets, ray_clock_now(ray), s->at, s->bytes, &report) == RAY_OK) {
        machine.config_source = s->name;
        machine.config_name = s->config_name;
        machine.start_config = s->at;
        machine.start_config_length = s->bytes;
        return 1;
    }
    print_text("raygate: ALARM: configuration refused (");
    print_text(s->name);
    print_text("): ");
    print_text(ray_status_word(report.status));
    print_text(", section ");
    print_decimal(report.section);
    print_text(", row ");
    print_decimal(report.row);
    print_text(", byte ");
    print_decimal(report.field);
    print_text("; trying the next source\n");
    return 0;
}

static void configure(void)
{
    source frozen = {"frozen", "rayos", frozen_config,
                     (uint64_t)(frozen_config_end - frozen_config)};
    source given = from_fwcfg(), module = from_module();

    machine.frozen_config = frozen.at;
    machine.frozen_config_length = frozen.bytes;
    if (!load(&given) && !load(&module) && !load(&frozen))
        ray_panic("the frozen configuration was refused");
}

/* -- time and identity -- */
/* Unix nanoseconds in decimal, as -fw_cfg name=...,string=N gives them. */
static uint64_t wall_given(void)
{
    fwcfg_item item = fwcfg_find("opt/raygate/wall");
    char digits[20];
    uint64_t value = 0;

    if (!item.found || !item.size || item.size > sizeof digits)
        return 0;
    fwcfg_read(&item, digits, item.size);
    for (uint32_t i = 0; i < item.size && digits[i] >= '0' && digits[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(digits[i] - '0');
    return value;
}

/* After the configuration, so that a script whose first line makes time virtual finds the same
 * bytes everywhere. */
static void start_clock(void)
{
    uint64_t wall = wall_given();

    if (!wall)
        wall = clock_wall_ns();
    ray_start_clock(ray, clock_ns(), wall ? (int64_t)(wall - ray_clock_now(ray)) : 0, &script);
}

static void describe(clock_facts facts)
{
    static ray_script scripts[] = {{"boot", frozen_boot, 0}, {"demo", frozen_demo, 0}};

    scripts[0].length = (uint64_t)(frozen_boot_end - frozen_boot);
    scripts[1].length = (uint64_t)(frozen_demo_end - frozen_demo);
    machine.name = machine_name();
    machine.clock = facts.name;
    machine.clock_hz = facts.hz;
    machine.scripts = scripts;
    machine.script_count = sizeof scripts / sizeof *scripts;
    machine.memory_bytes = boot.memory_bytes;
    machine.image_bytes = (uint64_t)(data_end - image_start);
    machine.faults_allowed = 1;
}

/* -- actions -- */
static void act(const ray_shell_result *result)
{
    if (result->action == RAY_ACTION_REBOOT) {
        print_text("raygate: restarting\n");
        machine_reset();
    } else if (result->action == RAY_ACTION_POWEROFF) {
        print_text("raygate: clean exit\n");
        stop(EXIT_CLEAN);
    } else if (result->action == RAY_ACTION_FAULT) {
        fault_raise(result->argument);
    }
}

/* -- script -- */
static void read_script(void)
{
    fwcfg_item item = fwcfg_find("opt/raygate/script");
    uint32_t bytes = item.size < RAY_PORT_SCRIPT_BYTES_MAX ? item.size : RAY_PORT_SCRIPT_BYTES_MAX;

    if (!item.found || !bytes)
        return;
    char *text = memory_take(bytes, BLOB_ALIGN);
    fwcfg_read(&item, text, bytes);
    script.text = text;
    script.length = bytes;
    if (bytes < item.size)
        print_text("raygate: ALARM: the script is longer than 1 MiB and was cut\n");
}

static void run_script(void)
{
    ray_shell_result result;
    ray_text out;

    com1.text = 1;
    for (uint64_t at = 0; at < script.length;) {
        ray_text_init(&out, out_bytes, sizeof out_bytes);
        memset(&result, 0, sizeof result);
        at = ray_script_step(ray, &machine, clock_ns(), &script, at, &out, &result);
        uart_send(&com1, (const uint8_t *)out.at, out.length);
        while (uart_busy(&com1))
            cpu_relax();
        act(&result);
    }
    com1.text = 0;                              /* the console ends its lines itself */
}

/* -- lines: a byte stream each, and who reads it -- */
enum line_kind { LINE_COM1, LINE_COM2, LINE_CTL };

static ray_link *link;
static enum line_kind own_link_line;            /* ctl or COM2 */
static enum line_kind link_line;                /* COM1 while the console is lent to a program */
static ray_shell_result console_result, link_result;
/* when the link last got bytes; 0: nothing unfinished */
static uint64_t link_fed_ns;

static uint32_t line_busy(enum line_kind line)
{
    return line == LINE_CTL ? ctl_busy() : uart_busy(line == LINE_COM1 ? &com1 : &com2);
}

static uint64_t line_peek(enum line_kind line, const uint8_t **at)
{
    return line == LINE_CTL ? ctl_peek(at) : uart_peek(line == LINE_COM1 ? &com1 : &com2, at);
}

static void line_take(enum line_kind line, uint64_t length)
{
    if (line == LINE_CTL)
        ctl_take((uint32_t)length);
    else
        uart_take(line == LINE_COM1 ? &com1 : &com2, length);
}

static void line_send(enum line_kind line, const uint8_t *at, uint64_t length)
{
    if (line == LINE_CTL)
        ctl_send(at, length);
    else
        uart_send(line == LINE_COM1 ? &com1 : &com2, at, length);
}

/* There is one link. Lent to the console's line it starts a new session there, and its own line
 * waits. */
static void link_moves(enum line_kind to)
{
    link_line = to;
    link_fed_ns = 0;
    ray_link_init(link);
}

static void follow(ray_shell_result *result)
{
    act(result);
    if (result->action == RAY_ACTION_LINK)
        link_moves(LINE_COM1);
    else if (result->action == RAY_ACTION_CONSOLE)
        link_moves(own_link_line);
    memset(result, 0, sizeof *result);
}

/* -- the loop -- */
/* Nothing is read while an answer is still on its way out, so a stalled reader delays only its
 * own line. */
static uint32_t serve_console(void)
{
    const uint8_t *at;
    uint64_t length;
    ray_text out;

    if (link_line == LINE_COM1 || line_busy(LINE_COM1))
        return 0;
    follow(&console_result);
    length = link_line == LINE_COM1 ? 0 : line_peek(LINE_COM1, &at);
    if (!length)
        return 0;
    ray_text_init(&out, out_bytes, sizeof out_bytes);
    length = ray_console_feed(&console, ray, &machine, clock_ns(), at, length, &out,
                              &console_result);
    line_take(LINE_COM1, length);
    line_send(LINE_COM1, (const uint8_t *)out.at, out.length);
    return 1;
}

static uint32_t serve_link(void)
{
    enum line_kind line = link_line;
    const uint8_t *at, *reply = NULL;
    uint64_t length, reply_length = 0, now = clock_ns();

    if (line_busy(line))
        return 0;
    follow(&link_result);
    if (link_line != line)
        return 1;
    length = line_peek(line, &at);
    if (!length && (!link_fed_ns || now - link_fed_ns < NS_PER_S))
        return 0;
    link_fed_ns = length ? now : 0;
    length = ray_link_feed(link, ray, &machine, now, at, length, &reply, &reply_length,
                           &link_result);
    line_take(line, length);
    line_send(line, reply, reply_length);
    return 1;
}

/* The core's gate wants to see the clock every MAX_STEP / 2; ticks in between change nothing. */
static void idle(void)
{
    ray_settings_spec settings;
    ray_stats stats;
    uint64_t wake_ns = RAY_PORT_WAKE_S_MAX * NS_PER_S;

    ray_settings_read(ray, &settings);
    if (settings.max_step_ns && settings.max_step_ns / 2 < wake_ns)
        wake_ns = settings.max_step_ns / 2;
    if (link_fed_ns && wake_ns > NS_PER_S)
        wake_ns = NS_PER_S;                     /* a frame cut off is dropped after a second */
    apic_timer_once(wake_ns);
    interrupts_on_and_wait();
    ray_read(ray, &stats);
    if (!stats.clock_virtual)
        (void)ray_clock_gate(ray, clock_ns());
}

static __attribute__((noreturn)) void serve(void)
{
    for (;;) {
        uint64_t seen = trap_irq_count;
        uint32_t busy = serve_console() | serve_link();
        interrupts_off();
        if (!busy && seen == trap_irq_count)
            idle();
        interrupts_on();
    }
}

static void start_link(void)
{
    own_link_line = ctl_init(boot.rsdp != 0) || !com2.present ? LINE_CTL : LINE_COM2;
    link_moves(own_link_line);
}

/* A machine whose seed was given repeats itself, so its secrets come from the configuration too. */
static void start_secrets(void)
{
    uint8_t fresh[RNG_FRESH_BYTES];

    ray_secrets_init(secrets);
    machine.secrets = secrets;
    if (machine.entropy_known != 2 && rng_fresh(fresh))
        (void)ray_secrets_seed(secrets, fresh, sizeof fresh);
    memset(fresh, 0, sizeof fresh);
}

static void start_core(void)
{
    machine.entropy_known = rng_seed(machine.seed);
    ray = memory_take(ray_bytes(), PAGE_BYTES);
    link = memory_take(ray_link_state_bytes(), BLOB_ALIGN);
    secrets = memory_take(ray_secrets_bytes(), BLOB_ALIGN);
    ray_init(ray, machine.seed);
    start_secrets();
    configure();
    read_script();
    start_clock();
}

/* What came too early raised an edge that nobody saw and that is not repeated: looked at once. */
static void listen(uart *u, uint32_t gsi, uint32_t vector)
{
    if (!u->present)
        return;
    apic_route(gsi, vector, 0);
    uart_interrupt(u);
}

void core_print(void)
{
    ray_stats stats;

    if (!ray)
        return;
    ray_read(ray, &stats);
    print_text("core epoch ");
    print_decimal(stats.epoch);
    print_text(" seq ");
    print_decimal(stats.seq);
    print_text(" now ");
    print_decimal(stats.now_ns);
    print_text(" ns\n");
}

/* The canary changes under this frame's feet, so it must not have one. */
__attribute__((no_stack_protector)) void start(uint32_t eax, uint64_t ebx)
{
    ray_text out;

    canary_block[5] = rng_canary();             /* fs:0x28 */
    boot_info_read(&boot, eax, ebx);
    paging_protect();
    trap_init();
    uart_init(&com1, 0x3f8, 1);
    uart_init(&com2, 0x2f8, 14);
    memory_init(&boot);
    acpi_init(&boot);
    apic_init();
    describe(clock_init(&boot, acpi_hpet()));
    start_core();
    listen(&com1, 4, VECTOR_COM1);
    listen(&com2, 3, VECTOR_COM2);
    interrupts_on();
    run_script();
    machine.boot_ns = clock_ns();
    ray_text_init(&out, out_bytes, sizeof out_bytes);
    ray_console_start(&console, ray, &machine, clock_ns(), &out);
    uart_send(&com1, (const uint8_t *)out.at, out.length);
    (void)uart_busy(&com1);                     /* the prompt is out before the link is set up */
    start_link();
    memory_warm();
    serve();
}
