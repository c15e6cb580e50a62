// Package sealed keeps a file from everybody who does not know its passphrase: age's
// format (https://age-encryption.org/v1) with a key by scrypt, so that `age -d` opens
// it too. Used for backups, by nodes and by the command line.
package sealed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/sipcluster/sipcluster/api/credential"
)

const (
	// MinPassphrase and MaxPassphrase are the lengths of a passphrase in bytes.
	MinPassphrase, MaxPassphrase = 8, 1024
	magic                        = "age-encryption.org/v1\n"
)

// workFactor is the binary logarithm of scrypt's cost, as age has it: a second for each try
// of a passphrase.
var workFactor = 18

// ErrPassphrase says that a passphrase is not the file's, or that there is none.
var ErrPassphrase = errors.New("wrong passphrase")

// ErrDamaged says that a sealed file is not as it was written.
var ErrDamaged = errors.New("it was cut off or changed")

// Check refuses a passphrase that is none.
func Check(passphrase string) error {
	if n := len(passphrase); n < MinPassphrase || n > MaxPassphrase {
		return fmt.Errorf("the passphrase has %d bytes: want %d to %d", n, MinPassphrase, MaxPassphrase)
	}
	return nil
}

// ReadPassphrase takes the first line of a file that its owner alone may read.
func ReadPassphrase(file string) (string, error) {
	b, err := credential.ReadSecret(file)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	return line, Check(line)
}

// Writer seals what is written to it; it is whole after Close, which leaves w open.
func Writer(w io.Writer, passphrase string) (io.WriteCloser, error) {
	if err := Check(passphrase); err != nil {
		return nil, err
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(workFactor)
	return age.Encrypt(w, to)
}

// Reader opens a sealed file, and passes on one that isn't sealed. ask is asked for the
// passphrase when one is needed. The error wraps ErrPassphrase when it is wrong; one of
// a Read wraps ErrDamaged.
func Reader(r io.Reader, ask func() (string, error)) (io.Reader, error) {
	in := bufio.NewReader(r)
	if head, _ := in.Peek(len(magic)); !bytes.Equal(head, []byte(magic)) {
		return in, nil
	}
	passphrase, err := ask()
	if err != nil {
		return nil, err
	}
	if err := Check(passphrase); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	out, err := age.Decrypt(in, id)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, ErrPassphrase
	case err != nil:
		return nil, fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return whole{out}, nil
}

// whole is a sealed file that is read: whatever keeps it from being read to its end is said
// in words of the file, not of its format.
type whole struct{ io.Reader }

func (w whole) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w (%w)", ErrDamaged, err)
	}
	return n, err
}
