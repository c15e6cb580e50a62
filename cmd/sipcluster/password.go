package main

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// ha1 is what the cluster stores instead of a password (RFC 7616 section
// 3.4.2). MD5 is what most phones speak; it guards the digest, not secrecy.
func ha1(alg configpb.DigestAlgorithm, number, realm, password string) string {
	a1 := number + ":" + realm + ":" + password
	if alg == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		sum := sha256.Sum256([]byte(a1))
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum([]byte(a1))
	return hex.EncodeToString(sum[:])
}

func parseAlgorithm(s string) (configpb.DigestAlgorithm, error) {
	switch strings.ToLower(s) {
	case "", "md5":
		return configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, nil
	case "sha-256", "sha256":
		return configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, nil
	}
	return 0, fmt.Errorf("%.20q: want md5 or sha-256", s)
}

func algorithmName(a configpb.DigestAlgorithm) string {
	if a == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		return "sha-256"
	}
	return "md5"
}

// realm asks for the realm that passwords are bound to.
func (c *client) realm(ctx context.Context) (string, error) {
	answer, err := unary(ctx, c, c.config.GetOptions, &configpb.GetOptionsRequest{})
	if err != nil {
		return "", err
	}
	if answer.GetOptions().GetRealm() == "" {
		return "", fmt.Errorf("the node at %s has no realm yet: wait until it has joined a cluster", c.addr)
	}
	return answer.Options.Realm, nil
}

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
	cmd.Flags().StringVar(&p.file, "password-file", "", "read the password from the first line of `FILE`, - for stdin")
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
	in := stdin
	if p.file != "-" {
		f, err := os.Open(p.file)
		if err != nil {
			return "", fmt.Errorf("--password-file: %w", err)
		}
		defer f.Close()
		in = f
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	return checkPassword(strings.TrimRight(line, "\r\n"))
}

func checkPassword(s string) (string, error) {
	switch {
	case s == "":
		return "", usagef("the password is empty")
	case len(s) > maxPassword:
		return "", usagef("the password is longer than %d bytes", maxPassword)
	}
	return s, nil
}

// prompt asks for a password on the terminal, without echo.
func (c *cli) prompt(number string) (string, error) {
	f, ok := c.in.(*os.File)
	if !ok || !c.terminal(f.Fd()) {
		return "", usagef("a sip DN needs a password: --password, or --password-file FILE (- for stdin)")
	}
	fmt.Fprintf(c.err, "Password of DN %s: ", number)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(c.err)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return checkPassword(string(b))
}
