package credential

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
)

// ErrWide says that others than its owner can read the file of a secret.
var ErrWide = errors.New("can be read by others")

// ReadSecret reads a file that only its owner may read; a wider one is refused
// (ErrWide). Whatever reads secrets of a file does it here. A pipe has no mode. The
// error of a file that can't be read as it is says which commands mend that, for the
// user whom this program runs as.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w to user %s: %s", err, me(), mend(path, false))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s %w (mode %04o): %s", path, ErrWide, info.Mode().Perm(), mend(path, mine(info)))
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(f)
	return b.Bytes(), err
}

// mend is what makes a file one that this program may read, and nobody else.
func mend(path string, mine bool) string {
	narrow := "chmod 600 " + path
	if mine {
		return narrow
	}
	return "chown " + me() + " " + path + " && " + narrow
}

// me is the user whom this program runs as, as chown takes it.
func me() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprint(os.Geteuid())
}
