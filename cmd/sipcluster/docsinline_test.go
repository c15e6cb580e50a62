package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// flagsOfOthers are what the documents say of other programs.
var flagsOfOthers = map[string]string{"--network": "docker"}

// TestDocs_WhatSentencesNameIsThere: commands and flags between backquotes in sentences and
// tables are ones that the program has. They are named, not written out: arguments and
// the values of flags may be left away.
func TestDocs_WhatSentencesNameIsThere(t *testing.T) {
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(docs) < 10 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	root, read := wholeProgram(), 0
	for _, doc := range append(docs, "../../README.md", "../../CONTRIBUTING.md", "../../ARCHITECTURE.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range spansOf(string(text)) {
			named, err := names(root, s.words[0])
			if err != nil {
				t.Errorf("%s:%d: %s: %v", filepath.Base(doc), s.number, s.words[0], err)
			}
			if named {
				read++
			}
		}
	}
	if read < 250 {
		t.Errorf("only %d commands and flags were found: how are they written now?", read)
	}
}

func TestDocs_SentencesAreRead(t *testing.T) {
	root := wholeProgram()
	var got []string
	for _, s := range spansOf("`one` and `two words`, | `three` |\n```sh\n`no`\n```\n`four`\n") {
		got = append(got, fmt.Sprint(s.number, s.words))
	}
	if s := strings.Join(got, " "); s != "1 [one] 1 [two words] 1 [three] 5 [four]" {
		t.Error(s)
	}
	for span, want := range map[string]string{
		"sipcluster dn why": "", "sipcluster completion bash": "", "--version": "", "sipcluster node rekey --addr": "", "node set --voter=false": "", "dn why -o json": "", "--since": "", "--network host": "", "--dual-registration --kind": "",
		"sipcluster dn wyh 1001": "no command", "sipcluster nosuch": "no command", "node set --vote": "no flag --vote", "--nosuch": "no command has", "dn why -q": "no flag -q", "token make": "no command",
	} {
		named, err := names(root, span)
		if !named || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v, want %q", span, named, err, want)
		}
	}
	for _, span := range []string{"dn", "max_contacts", "link cut", "node.key", "location", "-"} {
		if named, err := names(root, span); named || err != nil {
			t.Errorf("%s is no command: %v", span, err)
		}
	}
}

// wholeProgram has the commands and flags that cobra adds when it runs.
func wholeProgram() *cobra.Command {
	root, _ := commands(&console.Console{Getenv: func(string) string { return "" }})
	root.InitDefaultCompletionCmd()
	root.InitDefaultVersionFlag()
	return root
}

var span = regexp.MustCompile("`([^`]+)`")

// spansOf are the spans of code outside the fenced blocks of a document, each as one word.
func spansOf(text string) (found []line) {
	inside := false
	for i, l := range strings.Split(text, "\n") {
		if strings.HasPrefix(l, "```") {
			inside = !inside
		} else if !inside {
			for _, m := range span.FindAllStringSubmatch(l, -1) {
				found = append(found, line{number: i + 1, words: []string{m[1]}})
			}
		}
	}
	return found
}

// names tells whether a span names a command or a flag of the program; the error is that
// there is none.
func names(root *cobra.Command, span string) (bool, error) {
	words := shellWords(span)
	if len(words) == 0 {
		return false, nil
	}
	if strings.HasPrefix(words[0], "--") {
		return true, flagsOfAny(root, words)
	}
	whole := words[0] == "sipcluster"
	if whole {
		words = words[1:]
	}
	if len(words) == 0 || !whole && (len(words) == 1 || !begins(root, words[0])) {
		return false, nil // "status" may be anything
	}
	cmd, rest, err := root.Find(words)
	if err != nil {
		return true, err
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return true, fmt.Errorf("%s has no command %q", cmd.CommandPath(), rest[0])
	}
	cmd.InitDefaultHelpFlag()
	for _, w := range rest {
		if name, is := flagName(w); is && !has(cmd, name) {
			return true, fmt.Errorf("%s has no flag %s", cmd.CommandPath(), name)
		}
	}
	return true, nil
}

// begins tells whether a word is a command of the program.
func begins(root *cobra.Command, word string) bool {
	for _, c := range root.Commands() {
		if c.Name() == word {
			return true
		}
	}
	return false
}

var flagWord = regexp.MustCompile(`^(--[a-z][a-z0-9-]*|-[a-zA-Z])(=|$)`)

func flagName(word string) (string, bool) {
	m := flagWord.FindStringSubmatch(word)
	if m == nil {
		return "", false
	}
	return m[1], true
}

func has(cmd *cobra.Command, flag string) bool {
	name, long := strings.CutPrefix(flag, "--")
	if long {
		return cmd.Flags().Lookup(name) != nil || cmd.InheritedFlags().Lookup(name) != nil
	}
	return cmd.Flags().ShorthandLookup(flag[1:]) != nil || cmd.InheritedFlags().ShorthandLookup(flag[1:]) != nil
}

// flagsOfAny wants one command that has all the flags.
func flagsOfAny(root *cobra.Command, words []string) error {
	var flags []string
	for _, w := range words {
		if name, is := flagName(w); is && flagsOfOthers[name] == "" {
			flags = append(flags, name)
		}
	}
	var within func(cmd *cobra.Command) bool
	within = func(cmd *cobra.Command) bool {
		cmd.InitDefaultHelpFlag()
		all := true
		for _, f := range flags {
			all = all && has(cmd, f)
		}
		for _, c := range cmd.Commands() {
			all = all || within(c)
		}
		return all
	}
	if !within(root) {
		return errors.New("no command has " + strings.Join(flags, " "))
	}
	return nil
}
