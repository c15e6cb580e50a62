// Package keypair is a certificate with its key in two files, which is read again when
// they change: what servers of TLS show.
package keypair

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// Every is how often the files are looked at. A change is read when they have been the
// same for as long.
const Every = time.Second

// Pair is a certificate that TLS shows and its key.
type Pair struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	read              stamps // of the files as they were read last
}

// stamps tell whether files have changed.
type stamps [2]struct {
	modified time.Time
	size     int64
	file     os.FileInfo
}

// Open reads the files (PEM): the certificate with its chain, and the key, which not
// everybody may read.
func Open(certFile, keyFile string, log *slog.Logger) (*Pair, error) {
	c := &Pair{certFile: certFile, keyFile: keyFile, log: log}
	if certFile == "" || keyFile == "" {
		return nil, errors.New("TLS needs a certificate and its key: PEM files")
	}
	var err error
	if c.read, err = c.stamps(); err != nil {
		return nil, err
	}
	return c, c.Load()
}

// Certificate is the one that counts now.
func (c *Pair) Certificate() *tls.Certificate { return c.current.Load() }

func (c *Pair) stamps() (s stamps, err error) {
	for i, name := range [...]string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i].modified, s[i].size, s[i].file = info.ModTime(), info.Size(), info
	}
	return s, nil
}

func (s *stamps) same(o *stamps) bool {
	for i := range s {
		if !s[i].modified.Equal(o[i].modified) || s[i].size != o[i].size || !os.SameFile(s[i].file, o[i].file) {
			return false
		}
	}
	return true
}

// Load reads the files and takes them into use.
func (c *Pair) Load() error {
	info, err := os.Stat(c.keyFile)
	if err != nil {
		return err
	}
	if m := info.Mode().Perm(); m&0o027 != 0 {
		return fmt.Errorf("%s can be read by everybody or written by its group (mode %04o): chmod 0600 it, or 0640 for a group that may read it", c.keyFile, m)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&pair)
	if end := pair.Leaf.NotAfter; end.Before(time.Now()) {
		c.log.Warn("the TLS certificate has expired: who connects will refuse it", "file", c.certFile, "expired", end)
	}
	return nil
}

// Follow looks for changes until ctx ends.
func (c *Pair) Follow(ctx context.Context) error {
	t := time.NewTicker(Every)
	defer t.Stop()
	seen := c.read
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			c.look(&seen)
		}
	}
}

// look takes new files into use. Those that are no good leave what there was.
func (c *Pair) look(seen *stamps) {
	now, err := c.stamps()
	if err != nil { // between two files, or gone: what is in use stays
		return
	}
	settled := now.same(seen)
	*seen = now
	if !settled || now.same(&c.read) {
		return
	}
	c.read = now
	if err := c.Load(); err != nil {
		c.log.Error("the new TLS certificate cannot be used; the old one stays in use", "err", err)
		return
	}
	c.log.Info("TLS certificate renewed", "file", c.certFile, "not_after", c.current.Load().Leaf.NotAfter)
}
