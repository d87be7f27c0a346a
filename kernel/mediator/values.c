/* SPDX-License-Identifier: MIT */
/* values.c - lists in header fields (RFC 9110 5.6), and the formats they name. */
#include "parts.h"

/* -- lists -- */
static ray_view part(const uint8_t *at, uint64_t from, uint64_t to)
{
    return ray_trimmed((ray_view){at + from, to - from});
}

/* Commas inside quotes end nothing: a quoted no-store must not become a directive. */
uint32_t ray_member_next(ray_view list, ray_member *member)
{
    while (member->at < list.length) {
        uint64_t from = member->at, equals = 0, end = from;
        uint32_t quoted = 0;
        for (; end < list.length && (quoted != 0 || list.at[end] != ','); end++) {
            uint8_t c = list.at[end];
            if (quoted != 0 && c == '\\')
                end++;
            else if (c == '"')
                quoted ^= 1U;
            else if (quoted == 0 && c == '=' && equals == 0)
                equals = end + 1;
        }
        end = end < list.length ? end : list.length;
        member->at = end + 1;
        member->has_value = equals != 0;
        member->name = part(list.at, from, equals != 0 ? equals - 1 : end);
        member->value = part(list.at, equals != 0 ? equals : end, end);
        if (member->value.length >= 2 && member->value.at[0] == '"' &&
            member->value.at[member->value.length - 1] == '"') {
            member->value.at++;
            member->value.length -= 2;
        }
        if (member->name.length != 0)
            return 1;
    }
    return 0;
}

uint32_t ray_view_u64(ray_view view, uint64_t *out)
{
    uint64_t value = 0;
    if (view.length == 0)
        return 0;
    for (uint64_t i = 0; i < view.length; i++) {
        uint32_t digit = (uint32_t)view.at[i] - '0';
        if (digit > 9)
            return 0;
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    *out = value;
    return 1;
}

/* -- formats -- */
uint32_t ray_is_coded(ray_view headers)
{
    ray_view value;
    return ray_headers_find(headers, "content-encoding", 16, 0, &value) != 0 &&
           !ray_view_is(value, "identity");
}

static const char *const words[RAY_CONTENT_MAX] = {"json",   "protobuf", "xml",      "form",
                                                   "binary", "any",      "multipart"};

const char *ray_content_word(uint32_t content)
{
    return content < RAY_CONTENT_MAX ? words[content] : "?";
}

const char *ray_content_type(uint32_t content, uint32_t flags)
{
    static const char *const types[RAY_CONTENT_MAX] = {
        "application/json", "application/x-protobuf", "application/xml",
        "application/x-www-form-urlencoded", "application/octet-stream", NULL,
        "multipart/form-data"};
    if (content == RAY_CONTENT_PROTOBUF && (flags & RAY_TRANSFORM_GRPC) != 0)
        return "application/grpc+proto";
    return content < RAY_CONTENT_MAX ? types[content] : NULL;
}

static uint32_t ends_with(ray_view view, const char *word)
{
    uint64_t length = ray_length_of(word);
    ray_view end = {view.at + view.length - (view.length < length ? view.length : length), length};
    return view.length > length && ray_view_is(end, word);
}

/* A text format in another character set is none we read, since its bytes mean something else; nor
 * is a multipart body whose parts nothing divides. */
uint32_t ray_content_of(ray_view value)
{
    static const struct {
        const char *type;
        uint32_t content;
        uint32_t reserved;
    } known[] = {
        {"application/json", RAY_CONTENT_JSON, 0},
        {"text/json", RAY_CONTENT_JSON, 0},
        {"application/x-protobuf", RAY_CONTENT_PROTOBUF, 0},
        {"application/protobuf", RAY_CONTENT_PROTOBUF, 0},
        {"application/vnd.google.protobuf", RAY_CONTENT_PROTOBUF, 0},
        {"application/grpc", RAY_CONTENT_PROTOBUF, 0},
        {"application/grpc+proto", RAY_CONTENT_PROTOBUF, 0},
        {"application/xml", RAY_CONTENT_XML, 0},
        {"text/xml", RAY_CONTENT_XML, 0},
        {"application/x-www-form-urlencoded", RAY_CONTENT_FORM, 0},
        {"application/octet-stream", RAY_CONTENT_BINARY, 0},
    };
    ray_view type = ray_parameters_of(value), boundary;
    uint32_t content = RAY_CONTENT_MAX;
    if (ray_format_boundary(value, &boundary))
        return RAY_CONTENT_MULTIPART;
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ray_view_is(type, known[i].type))
            content = known[i].content;
    if (content == RAY_CONTENT_MAX && ends_with(type, "+json"))
        content = RAY_CONTENT_JSON;
    if (content == RAY_CONTENT_MAX && ends_with(type, "+xml"))
        content = RAY_CONTENT_XML;
    if ((content == RAY_CONTENT_JSON || content == RAY_CONTENT_XML) &&
        !ray_content_charset_known(value))
        return RAY_CONTENT_MAX;
    return content;
}

/* -- Accept (RFC 9110 12.5.1) -- */
/* 0 to 1 with up to three decimals, in thousandths; what is none counts as 0: not acceptable. */
static uint32_t weight_of(ray_view value)
{
    uint32_t weight = 0, scale = 1000;
    if (value.length == 0 || value.length > 5 || value.at[0] < '0' || value.at[0] > '1' ||
        (value.length > 1 && value.at[1] != '.'))
        return 0;
    for (uint64_t i = 0; i < value.length; i++) {
        if (i == 1)
            continue;
        if (value.at[i] < '0' || value.at[i] > '9')
            return 0;
        weight += (uint32_t)(value.at[i] - '0') * scale;
        scale /= 10;
    }
    return weight <= 1000 ? weight : 0;
}

/* Where the list member that begins at `from` ends, quotes respected. */
static uint64_t member_end(ray_view list, uint64_t from)
{
    uint32_t quoted = 0;
    for (; from < list.length && (quoted != 0 || list.at[from] != ','); from++) {
        if (quoted != 0 && list.at[from] == '\\')
            from++;
        else if (list.at[from] == '"')
            quoted ^= 1U;
    }
    return from < list.length ? from : list.length;
}

static uint32_t quality_of(ray_view range)
{
    for (uint64_t from = 0; from < range.length;) {
        uint64_t to = from;
        while (to < range.length && range.at[to] != ';')
            to++;
        ray_view piece = {range.at + from, to - from};
        ray_member member = {0};
        if (from != 0 && ray_member_next(piece, &member) && ray_view_is(member.name, "q"))
            return weight_of(member.value);
        from = to + 1;
    }
    return 1000;
}

/* `type/` and an asterisk. */
static uint32_t is_major(ray_view range, const char *type)
{
    uint64_t slash = 0;
    while (type[slash] != '/')
        slash++;
    return range.length == slash + 2 && range.at[slash + 1] == '*' &&
           ray_same_ignoring_case((const char *)range.at, type, slash + 1);
}

/* How exactly a range names the format: 3 the type, 2 its major type, 1 anything, 0 not at all. */
static uint32_t exactness(ray_view type, uint32_t content, uint32_t flags)
{
    const char *own = ray_content_type(content, flags);
    if (ray_view_is(type, own) || ray_content_of(type) == content)
        return 3;
    if (is_major(type, own) ||
        (content == RAY_CONTENT_XML && ray_view_is(type, "text/*")))
        return 2;
    return ray_view_is(type, "*/*");
}

uint32_t ray_accept_weight(ray_view accept, uint32_t content, uint32_t flags)
{
    uint32_t best = 0, weight = 0;
    if (accept.length == 0 || content == RAY_CONTENT_ANY || content >= RAY_CONTENT_MAX)
        return 1000;
    for (uint64_t from = 0; from < accept.length;) {
        uint64_t to = member_end(accept, from);
        ray_view range = part(accept.at, from, to);
        uint32_t exact = exactness(ray_parameters_of(range), content, flags);
        uint32_t quality = quality_of(range);
        if (exact > best || (exact == best && exact != 0 && quality > weight)) {
            best = exact;
            weight = quality;
        }
        from = to + 1;
    }
    return weight;
}
