package config

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/sealed"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// restorePart is how much of a backup is sent in one message.
const restorePart = 512 << 10

// BackupCommand is backup.
func BackupCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	var passphrase passphraseFlag
	var stale bool
	cmd := c.Asking(&cobra.Command{
		Use: "backup FILE", Short: "Write all DNs, groups, options and tokens into a sealed file", Args: cobra.ExactArgs(1),
		Long: `Write a backup of one moment, asked of any node: options, groups, DNs with the
digests of their passwords, and tokens as hashes; not the nodes and their keys. FILE
is sealed with a passphrase of 8 bytes or more, asked for on the terminal or read from
a file that only its owner may read; nobody can open it without. - writes to standard
output, which is not sealed unless --passphrase-file is given. The backup has every
write that was acknowledged before; without a quorum, --stale takes what this node has.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, err := passphrase.forWriting(c, args[0] == "-")
			if err == nil {
				err = c.backup(cmd.Context(), args[0], secret, !stale)
			}
			return console.Doing("backup "+args[0], err)
		},
	})
	passphrase.add(cmd)
	cmd.Flags().BoolVar(&stale, "stale", false, "take the node's own copy, without a quorum too")
	return cmd
}

// RestoreCommand is restore.
func RestoreCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	var passphrase passphraseFlag
	var dryRun bool
	cmd := c.Asking(&cobra.Command{
		Use: "restore FILE", Short: "Make the configuration what a backup says; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Make options, groups and DNs what a backup says, in one transaction: what it does
not have is deleted. Nodes and keys stay as they are, and tokens too, so that no
revoked one comes back; only in another cluster that has no DNs and groups yet the
backup's tokens are created. The realm must be that of the backup. --dry-run only
tells what would change. - reads standard input.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return console.Doing("restore "+args[0], c.restore(cmd.Context(), args[0], &passphrase, dryRun))
		},
	})
	passphrase.add(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would change")
	return cmd
}

// passphraseFlag is where a passphrase comes from: never from an argument.
type passphraseFlag struct{ file string }

func (p *passphraseFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "passphrase-file", "", "read the passphrase from the first line of `FILE`, which only its owner may read")
}

// forWriting returns the passphrase to seal with; "" seals nothing.
func (p *passphraseFlag) forWriting(c commands, stdout bool) (string, error) {
	if p.file != "" || stdout {
		return p.read()
	}
	first, err := c.askPassphrase("Passphrase for the backup: ")
	if err != nil {
		return "", err
	}
	again, err := c.askPassphrase("The same again: ")
	if err == nil && first != again {
		err = errors.New("the two differ: nothing was written")
	}
	return first, err
}

func (p *passphraseFlag) read() (string, error) {
	if p.file == "" {
		return "", nil
	}
	secret, err := sealed.ReadPassphrase(p.file)
	if err != nil {
		return "", fmt.Errorf("--passphrase-file: %w", err)
	}
	return secret, nil
}

func (c commands) askPassphrase(prompt string) (string, error) {
	f, ok := c.In.(*os.File)
	if !ok || !c.Terminal(f.Fd()) {
		return "", console.Usagef("a passphrase is needed: --passphrase-file FILE, or a terminal")
	}
	fmt.Fprint(c.Err, prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(c.Err)
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	return string(b), sealed.Check(string(b))
}

func (c commands) backup(ctx context.Context, file, secret string, fresh bool) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	if file == "-" {
		if err := c.OwnerOnly(true); err != nil {
			return err
		}
		return c.writeBackup(ctx, cl, c.Out, secret, fresh)
	}
	var size counter
	if err := console.WriteFile(file, func(w io.Writer) error {
		return c.writeBackup(ctx, cl, io.MultiWriter(w, &size), secret, fresh)
	}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "%s: %d bytes, sealed\n", file, size)
	return err
}

// counter is how many bytes were written.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

func (c commands) writeBackup(ctx context.Context, cl *client.Client, w io.Writer, secret string, fresh bool) (err error) {
	to, done := w, func() error { return nil }
	if secret != "" {
		s, err := sealed.Writer(w, secret)
		if err != nil {
			return err
		}
		to, done = s, s.Close
	}
	p := c.Progress("backing up")
	var sent, size uint64
	err = cl.Backup(ctx, &configpb.BackupRequest{Linearizable: fresh}, func(part *configpb.BackupResponse) error {
		size, sent = part.Total, part.Sent
		p.Show(sent, size)
		_, err := to.Write(part.Data)
		return err
	})
	p.End()
	if err == nil && sent != size {
		err = errors.New("the node ended the backup before it was whole")
	}
	return errors.Join(err, done())
}

func (c commands) restore(ctx context.Context, file string, passphrase *passphraseFlag, dryRun bool) error {
	in, closeFile, err := c.Open(file)
	if err != nil {
		return err
	}
	defer closeFile()
	open, err := sealed.Reader(in, func() (string, error) {
		if passphrase.file != "" {
			return passphrase.read()
		}
		return c.askPassphrase("Passphrase of the backup: ")
	})
	if err != nil {
		return err
	}
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	buffered, first := bufio.NewReaderSize(open, restorePart), true
	answer, err := cl.Restore(ctx, func() (*configpb.RestoreRequest, error) {
		part := make([]byte, restorePart)
		n, err := io.ReadFull(buffered, part)
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) && !first {
				return nil, io.EOF
			}
			return nil, fmt.Errorf("reading it: %w", err)
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("reading it: %w", err)
		}
		r := &configpb.RestoreRequest{Data: part[:n], DryRun: dryRun}
		first = false
		return r, nil
	})
	if err != nil {
		return err
	}
	return c.sayRestored(answer, dryRun)
}

// sayRestored prints each difference that was named, and how many there are.
func (c commands) sayRestored(r *configpb.RestoreResponse, dryRun bool) error {
	for _, d := range r.Differences {
		fmt.Fprintf(c.Out, "%s\n", strings.Join(strings.Fields(d.Kind+" "+d.Name+" "+d.Change), " "))
	}
	if more := r.Changes - uint64(len(r.Differences)); more > 0 {
		fmt.Fprintf(c.Out, "and %d more\n", more)
	}
	word := "restored"
	if dryRun {
		word = "would be restored"
	}
	if r.Changes == 0 {
		_, err := fmt.Fprintln(c.Out, "unchanged")
		return err
	}
	_, err := fmt.Fprintf(c.Out, "%s from cluster %s, index %d: %d changes, %d DNs\n", word, r.ClusterId, r.Index, r.Changes, r.Dns)
	return err
}
