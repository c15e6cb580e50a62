// Package console is where an invocation of the program reads and writes: the
// streams, tables and JSON, the progress of long work, and what a wrong command
// line is. It knows neither nodes nor DNs.
package console

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Console is where an invocation of the program reads and writes.
type Console struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Now      func() time.Time
	// Terminal tells whether a file descriptor is one.
	Terminal func(fd uintptr) bool
	// Format is the one that was asked for: "table", "json" or "yaml".
	Format string
}

// Open opens a file to read; - is stdin.
func (c *Console) Open(name string) (io.Reader, func(), error) {
	if name == "-" {
		return c.In, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return f, func() { _ = f.Close() }, nil
}

// Colour tells whether stdout shows colours (https://no-color.org).
func (c *Console) Colour() bool {
	return c.IsTerminal(c.Out) && c.Getenv("NO_COLOR") == "" && c.Getenv("TERM") != "dumb"
}

// Print writes the table to stdout.
func (c *Console) Print(t *Table) error { return t.Write(c.Out, c.Colour()) }

// UsageError says that the command line is wrong, not the world.
type UsageError struct{ error }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return UsageError{fmt.Errorf(format, args...)}
}

// Group is a command that only holds others.
func Group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return Usagef("%s has no command %q%s", cmd.CommandPath(), args[0], meant(cmd, args[0]))
			}
			if err := cmd.Help(); err != nil {
				return err
			}
			return Usagef("a command is missing")
		},
	}
}

// Choose adds the choice of a Format to a command: what the command writes as JSON when
// JSON says so is YAML where that was asked for.
func (c *Console) Choose(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&c.Format, "output", "o", "table", "`FORMAT`: table, json or yaml")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch c.Format {
		case "table", "json":
		case "yaml":
			c.Out = &yamlWriter{w: c.Out}
		default:
			return Usagef("-o %s: want table, json or yaml", c.Format)
		}
		return run(cmd, args)
	}
	return cmd
}

// JSON tells whether the command writes JSON: that was asked for, or YAML.
func (c *Console) JSON() bool { return c.Format == "json" || c.Format == "yaml" }

// IsTerminal tells whether a stream is one.
func (c *Console) IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && c.Terminal(f.Fd())
}

// Width is how many columns stdout has; usual where it is no terminal.
func (c *Console) Width(usual int) int {
	if f, ok := c.Out.(*os.File); ok && c.Terminal(f.Fd()) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return usual
}

// OneLine keeps a message that came from elsewhere on one line, without what a
// terminal would obey.
func OneLine(s string) string {
	return Clean(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " "))
}

// Clean takes out of a text from elsewhere what a terminal would obey, or show in
// another order: control characters and marks of direction. It keeps tabs and line
// feeds.
func Clean(s string) string {
	if strings.IndexFunc(s, obeyed) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if obeyed(r) {
			return -1
		}
		return r
	}, s)
}

func obeyed(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ' || r >= 0x7f && r < 0xa0:
		return true
	}
	return unicode.Is(unicode.Bidi_Control, r)
}

// Doing says what failed; nil stays nil, and a wrong command line is that alone.
func Doing(what string, err error) error {
	var usage UsageError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &usage):
		return usage
	}
	return fmt.Errorf("%s: %w", what, err)
}

// OwnerOnly makes the file to which stdout goes one that only its owner may read,
// when it has secrets. The error says that this is not possible.
func (c *Console) OwnerOnly(secrets bool) error {
	f, ok := c.Out.(*os.File)
	if !ok || !secrets {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
		return nil //nolint:nilerr // what has no mode is no file that stays
	}
	if err := f.Chmod(0o600); err != nil {
		return fmt.Errorf("others can read the file that this goes to, and that can't be changed (%w): write to one of mode 600", err)
	}
	return nil
}
