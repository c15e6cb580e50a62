package console

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// WriteFile writes a file that only its owner may read, whole or not at all: what stood
// there before stays until then.
func WriteFile(file string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
