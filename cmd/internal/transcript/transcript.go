// Package transcript reads the commands that documents show, with what they print, and
// tells whether a program still prints that. Only tests call it.
package transcript

import (
	"regexp"
	"strings"
)

// Languages of the fenced blocks that have commands: console has prompts and outputs, in
// sh each line is a command.
const (
	Console = "console"
	Shell   = "sh"
)

// Block is a fenced block of a Markdown document.
type Block struct {
	// Line is that of the opening fence, from 1.
	Line     int
	Language string
	Lines    []string
}

// Command is a command line of a block.
type Command struct {
	Line int
	// Host is what stands before $ in the prompt, the machine at which it is typed.
	Host string
	// Text is what is typed, lines that go on after a backslash as well.
	Text string
	// Output are the lines up to the next command, without empty ones at the end.
	Output []string
}

var prompt = regexp.MustCompile(`^([a-z0-9]*)\$ (.*)$`)

// configuration is the first line of one.
var configuration = regexp.MustCompile(`^(options|groups|dns):`)

// Blocks are those of a document, by line.
func Blocks(markdown string) (blocks []Block) {
	inside := false
	for i, line := range strings.Split(markdown, "\n") {
		switch {
		case strings.HasPrefix(line, "```") && inside:
			inside = false
		case strings.HasPrefix(line, "```"):
			inside = true
			blocks = append(blocks, Block{Line: i + 1, Language: strings.TrimPrefix(line, "```")})
		case inside:
			b := &blocks[len(blocks)-1]
			b.Lines = append(b.Lines, line)
		}
	}
	return blocks
}

// Typed tells whether a line of the block is one that a reader would type, whatever its
// language: it has a prompt, or begins with a program of ours.
func (b Block) Typed() bool {
	for _, line := range b.Lines {
		if prompt.MatchString(line) || strings.HasPrefix(line, "sipcluster ") {
			return true
		}
	}
	return false
}

// Commands are those of a block of Console or Shell, in order; that of a configuration, or
// of a program, is to apply or run it.
func (b Block) Commands() (commands []Command) {
	if reader := b.reader(); reader != "" {
		return []Command{{Line: b.Line, Text: reader + " - <<'END'\n" + strings.Join(b.Lines, "\n") + "\nEND", Output: []string{"..."}}}
	}
	if b.Language != Console && b.Language != Shell {
		return nil
	}
	for i := 0; i < len(b.Lines); i++ {
		c, ok := b.begins(i)
		if !ok {
			if len(commands) > 0 {
				last := &commands[len(commands)-1]
				last.Output = append(last.Output, b.Lines[i])
			}
			continue
		}
		for strings.HasSuffix(c.Text, `\`) && i+1 < len(b.Lines) {
			i++
			c.Text = strings.TrimSuffix(c.Text, `\`) + strings.TrimLeft(b.Lines[i], " ")
		}
		commands = append(commands, c)
	}
	for i := range commands {
		commands[i].Output = trimmed(commands[i].Output)
	}
	return commands
}

// reader is the command that takes the block as a whole: a configuration is applied, a
// program in Python run; "" when it has commands, or none.
func (b Block) reader() string {
	switch {
	case b.Language == "python":
		return "/usr/bin/python3"
	case b.Language == "yaml" && len(b.Lines) > 0 && configuration.MatchString(b.Lines[0]):
		return "sipcluster apply -f"
	}
	return ""
}

// begins tells whether the line with that index is the first one of a command.
func (b Block) begins(i int) (Command, bool) {
	c := Command{Line: b.Line + 1 + i}
	if b.Language == Shell {
		c.Text = b.Lines[i]
		return c, strings.TrimSpace(c.Text) != ""
	}
	m := prompt.FindStringSubmatch(b.Lines[i])
	if m == nil {
		return c, false
	}
	c.Host, c.Text = m[1], m[2]
	return c, true
}

// trimmed is lines without empty ones at the end.
func trimmed(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
