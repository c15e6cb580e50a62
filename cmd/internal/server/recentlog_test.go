package server

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// The last lines are kept, whole and in order, in no more than the bound.
func TestRecentLog_KeepsTheEnd(t *testing.T) {
	var r recentLog
	r.add([]byte("the first\n"))
	if got := string(r.text()); got != "the first\n" {
		t.Errorf("%q", got)
	}
	long := strings.Repeat("x", 1000)
	const lines = 5000
	for i := range lines {
		r.add(fmt.Appendf(nil, "%d %s\n", i, long))
	}
	got := r.text()
	if len(got) > maxRecentLog || len(got) < maxRecentLog-2000 || !bytes.HasSuffix(got, fmt.Appendf(nil, "%d %s\n", lines-1, long)) {
		t.Errorf("%d bytes, the end %q", len(got), got[len(got)-20:])
	}
	var first int
	if _, err := fmt.Sscanf(string(got), "%d", &first); err != nil || bytes.Count(got, []byte("\n")) != lines-first || len(r.lines) > 2*(lines-first)+2 {
		t.Errorf("it begins with line %d of %d, %v; %d places", first, lines, err, len(r.lines))
	}
	r.add(bytes.Repeat([]byte("y"), 2*maxRecentLog))
	if got := r.text(); len(got) != 0 {
		t.Errorf("a line longer than the bound: %d bytes", len(got))
	}
}
