package sip

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A transcript is a file of scenarios:
//
//	# a comment
//	== the title of a scenario
//	>>> 1001 to n1
//	what the phone 1001 sends, line by line
//	<<< 1002
//	what the phone 1002 receives after it
//	!!! an action, as act says
//
// What is received is written by -update and compared otherwise. A line {Name}
// of what is sent stands for the header lines of that name: in a response those
// of the request that it answers, in a request those of the last response.

// block is one piece of a transcript: its first line and the lines below.
type block struct {
	head  string
	lines []string
}

func (b *block) is(mark string) bool { return strings.HasPrefix(b.head, mark) }

// words are those of the first line, without the mark.
func (b *block) words() []string { return strings.Fields(b.head)[1:] }

func (b *block) String() string {
	return strings.Join(append([]string{b.head}, b.lines...), "\n") + "\n\n"
}

// message is the block as it is on the wire.
func (b *block) message() string {
	text := strings.Join(b.lines, "\r\n")
	if !strings.Contains(text, "\r\n\r\n") {
		text += "\r\n\r\n"
	}
	return text
}

// blockOf is a message as a block.
func blockOf(head, msg string) *block {
	text, body, _ := strings.Cut(msg, "\r\n\r\n")
	if body != "" {
		text += "\r\n\r\n" + body
	}
	lines := strings.Split(text, "\r\n")
	for i, l := range lines {
		if strings.ContainsAny(l, "\r\n") || l != strings.TrimRight(l, " \t") {
			lines[i] = fmt.Sprintf("%q", l)
		}
	}
	return &block{head: head, lines: lines}
}

func readTranscript(t testing.TB, file string) (list []*block) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) > 3 && strings.Contains("== >>> <<< !!! ", line[:3]) || strings.HasPrefix(line, "# ") {
			list = append(list, &block{head: line})
			continue
		}
		if len(list) == 0 {
			t.Fatalf("%s begins with %q", file, line)
		}
		last := list[len(list)-1]
		last.lines = append(last.lines, line)
	}
	for _, b := range list {
		if n := len(b.lines); n > 0 && b.lines[n-1] == "" {
			b.lines = b.lines[:n-1] // it is between blocks
		}
	}
	return list
}

// scenarios are the blocks from one title to the next; what stands before the
// first title is one without.
func scenarios(list []*block) (out [][]*block) {
	for _, b := range list {
		if b.is("== ") || len(out) == 0 {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], b)
	}
	return out
}

// difference is the first place where two texts differ, with what is around it.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(g) && i < len(w) && g[i] == w[i] {
		i++
	}
	around := func(l []string) string { return strings.Join(l[max(0, min(i-12, len(l))):min(i+12, len(l))], "\n") }
	return fmt.Sprintf("line %d\n--- got\n%s\n--- want\n%s", i+1, around(g), around(w))
}
