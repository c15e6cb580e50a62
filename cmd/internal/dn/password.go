package dn

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// maxPassword bounds what is read as a password.
const maxPassword = 1024

// passwordFlags are the ways to give a password. It never leaves this process:
// what is sent is ha1.
type passwordFlags struct {
	value, file string
	cmd         *cobra.Command
}

func (p *passwordFlags) add(cmd *cobra.Command) {
	p.cmd = cmd
	cmd.Flags().StringVar(&p.value, "password", "", "the phone's `PASSWORD`; it is not sent, but your shell may keep it in its history")
	cmd.Flags().StringVar(&p.file, "password-file", "", "read the password from the first line of `FILE`, which only you may read (mode 0600), - for stdin")
	cmd.MarkFlagsMutuallyExclusive("password", "password-file")
}

// given tells whether a flag names a password.
func (p *passwordFlags) given() bool {
	return p.cmd.Flags().Changed("password") || p.cmd.Flags().Changed("password-file")
}

// read returns the password of the flags.
func (p *passwordFlags) read(stdin io.Reader) (string, error) {
	if p.cmd.Flags().Changed("password") {
		return checkPassword(p.value)
	}
	return passwordOf(p.file, stdin, "--password-file")
}

// passwordOf reads the first line of a file that only its owner may read, of stdin for
// "-".
func passwordOf(file string, stdin io.Reader, flag string) (string, error) {
	in := stdin
	if file != "-" {
		b, err := credential.ReadSecret(file)
		if err != nil {
			return "", fmt.Errorf("%s: %w", flag, err)
		}
		in = bytes.NewReader(b)
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	return checkPassword(strings.TrimRight(line, "\r\n"))
}

func checkPassword(s string) (string, error) {
	switch {
	case s == "":
		return "", console.Usagef("the password is empty")
	case len(s) > maxPassword:
		return "", console.Usagef("the password is longer than %d bytes", maxPassword)
	}
	return s, nil
}

// prompt asks for a password on the terminal, without echo.
func (c commands) prompt(number string) (string, error) {
	f, ok := c.In.(*os.File)
	if !ok || !c.Terminal(f.Fd()) {
		return "", console.Usagef("a sip DN needs a password: --password, or --password-file FILE (- for stdin)")
	}
	fmt.Fprintf(c.Err, "Password of DN %s: ", number)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(c.Err)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return checkPassword(string(b))
}
