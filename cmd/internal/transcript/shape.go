package transcript

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// varying is what differs from one run to the next, and what stands for it in a shape.
// The order counts: a time has numbers in it.
var varying = []struct {
	is     *regexp.Regexp
	stands string
}{
	{regexp.MustCompile(`^\^C`), ""}, // the key, as the terminal shows it
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`\d{8}T\d{6}(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\d\d:\d\d:\d\d(\.\d+)?`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`(devel|\bv?\d+\.\d+\.\d+)\S*( [0-9a-f]{7,}\S*)? go\d[\d.]*\d`), "VERSION"},
	{regexp.MustCompile(`\bsct_\w+`), "TOKEN"},
	{regexp.MustCompile(`\b([0-9a-f]{12,}|[A-Z2-7]{26})\b`), "ID"},
	{regexp.MustCompile(`(id: |"cursor":")[A-Za-z0-9+/=]{8,}`), "${1}ID"},
	{regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?`), "ADDR"},
	{regexp.MustCompile(`[+-]?\b(\d+(\.\d+)?(ns|µs|ms|s|m|h|d))+\b|[+-]?\b\d+(\.\d+)? (ns|µs|ms|s)\b`), "SPAN"},
	{regexp.MustCompile(`\b\d+(\.\d+)? (B|KiB|MiB|GiB|bytes)\b`), "SIZE"},
	{regexp.MustCompile(`\b(the turn of node) \w+`), "$1 NODE"},
	// Which of two is first by milliseconds is of one run.
	{regexp.MustCompile(`\bthe router at \w+, priority \d+`), "the router"},
	{regexp.MustCompile(`-{3,}`), "--"},
	{regexp.MustCompile(`\w+~`), "~"},
	{regexp.MustCompile(`\b(index|revision|term)("?[: ]+)\d+`), "$1$2 N"},
}

// number is one that stands alone; one of four digits is a DN, which counts.
var (
	number = regexp.MustCompile(`\b\d+(\.\d+)?\b`)
	dn     = regexp.MustCompile(`^\d{4}$`)
	blanks = regexp.MustCompile(`\s+`)
)

// Shape is a line without what is of one run: times, ids, addresses, durations, counts,
// and how wide the columns are. Words and DNs stay.
func Shape(line string) string {
	for _, v := range varying {
		line = v.is.ReplaceAllString(line, v.stands)
	}
	line = number.ReplaceAllStringFunc(line, func(n string) string {
		if dn.MatchString(n) {
			return n
		}
		return "N"
	})
	return strings.TrimSpace(blanks.ReplaceAllString(line, " "))
}

// Differs says what is not as it is written; "" when the shapes are the same. Three dots
// alone on a line stand for any lines, and at its end for the rest of it.
func Differs(written, printed []string) string {
	written, printed = trimmed(written), trimmed(printed)
	if matches(written, printed) {
		return ""
	}
	return fmt.Sprintf("written:\n\t%s\nprinted:\n\t%s\nof the shape:\n\t%s", strings.Join(written, "\n\t"), strings.Join(printed, "\n\t"), strings.Join(shapes(printed), "\n\t"))
}

// Lacks says which written lines are not printed, in whatever order and among whichever
// others; "" when all are.
func Lacks(written, printed []string) string {
	are := shapes(printed)
	for _, line := range written {
		if shape := Shape(line); shape != "..." && !slices.Contains(are, shape) {
			return Differs([]string{line}, printed)
		}
	}
	return ""
}

func matches(written, printed []string) bool {
	if len(written) == 0 {
		return len(printed) == 0
	}
	if Shape(written[0]) == "..." {
		for skipped := range len(printed) + 1 {
			if matches(written[1:], printed[skipped:]) {
				return true
			}
		}
		return false
	}
	return len(printed) > 0 && same(written[0], printed[0]) && matches(written[1:], printed[1:])
}

func same(written, printed string) bool {
	want, is := Shape(written), Shape(printed)
	if begins, cut := strings.CutSuffix(want, "..."); cut {
		return strings.HasPrefix(is, strings.TrimSpace(begins))
	}
	return want == is
}

func shapes(lines []string) []string {
	s := make([]string, len(lines))
	for i, line := range lines {
		s[i] = Shape(line)
	}
	return s
}
