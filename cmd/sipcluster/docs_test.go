package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// TestDocs_CommandsAreOnesThatThereAre reads each command of this program in the blocks of
// the documents as the program itself would: its name, its flags with their values, and
// how many arguments it takes.
func TestDocs_CommandsAreOnesThatThereAre(t *testing.T) {
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(docs) < 10 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	read := 0
	for _, doc := range append(docs, "../../README.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandsOf(string(text)) {
			read++
			if err := understood(line.words); err != nil {
				t.Errorf("%s:%d: sipcluster %s: %v", filepath.Base(doc), line.number, strings.Join(line.words, " "), err)
			}
		}
	}
	if read < 70 {
		t.Errorf("only %d commands were found: how are they written now?", read)
	}
}

func TestDocs_CommandsAreFound(t *testing.T) {
	text := "`sipcluster inline`\n```\n$ sipcluster dn put 1 --kind sip   # asks\na$ sudo -u x sipcluster status > file\nsipcluster dn put '*40' \\\n  --group \"a b\" | less\n   sipcluster of an output\nsipcluster: an error\n```\nsipcluster outside\n"
	var got []string
	for _, c := range commandsOf(text) {
		got = append(got, fmt.Sprintf("%d %q", c.number, c.words))
	}
	want := `3 ["dn" "put" "1" "--kind" "sip"]; 4 ["status"]; 5 ["dn" "put" "*40" "--group" "a b"]`
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
	for line, wrong := range map[string]string{"dn lst": "unknown command", "dn list --nosuch": "unknown flag", "dn get": "missing", "node invite a b": "too many", "dn list --all=maybe": ""} {
		if err := understood(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v, want %q", line, err, wrong)
		}
	}
}

// line is a command of a document, without the program's name.
type line struct {
	number int
	words  []string
	// output follows it, up to the next command.
	output []string
}

// prompted is a command line: the prompt, what runs the program, the program.
var prompted = regexp.MustCompile(`^(?:[a-z0-9]*[$#] )?(?:(?:sudo -u \S+|docker (?:compose )?exec \S+) )?(?:bin/)?sipcluster (.*)$`)

// commandsOf finds the commands in the fenced blocks of a document.
func commandsOf(text string) (found []line) {
	inside := false
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "```") {
			inside = !inside
			continue
		}
		if !inside {
			continue
		}
		whole, number := lines[i], i+1
		for strings.HasSuffix(whole, `\`) && i+1 < len(lines) {
			i++
			whole = strings.TrimSuffix(whole, `\`) + lines[i]
		}
		if m := prompted.FindStringSubmatch(whole); m != nil {
			found = append(found, line{number: number, words: shellWords(m[1])})
		} else if len(found) > 0 {
			found[len(found)-1].output = append(found[len(found)-1].output, whole)
		}
	}
	return found
}

// shellWords splits a line as a shell does, up to a comment, a pipe or a redirection.
func shellWords(s string) (words []string) {
	var word strings.Builder
	var quote rune
	begun := false
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ':
			end()
		case (r == '#' || r == '<') && !begun, r == '|', r == '>', r == ';', r == '&':
			end()
			return words
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	end()
	return words
}

// understood tells whether the program would begin to work on the words.
func understood(words []string) error {
	root, _ := commands(&console.Console{Getenv: func(string) string { return "" }})
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if help, _ := cmd.Flags().GetBool("help"); help {
		return nil
	}
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		return fmt.Errorf("unknown command %q", cmd.Flags().Arg(0))
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
