package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// certificateEvery is how often the files of the certificate are looked at. A
// change is read when they have been the same for as long.
const certificateEvery = time.Second

// certificate is the one that TLS shows, read again when its files change.
type certificate struct {
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

func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if certFile == "" || keyFile == "" {
		return nil, errors.New("sip: TLS needs a certificate and its key: PEM files")
	}
	var err error
	if c.read, err = c.stamps(); err != nil {
		return nil, fmt.Errorf("sip: certificate: %w", err)
	}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("sip: certificate: %w", err)
	}
	return c, nil
}

func (c *certificate) stamps() (s stamps, err error) {
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

// load reads the files and takes them into use.
func (c *certificate) load() error {
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
		c.log.Warn("the TLS certificate has expired: phones will refuse it", "file", c.certFile, "expired", end)
	}
	return nil
}

// follow looks for changes until ctx ends.
func (c *certificate) follow(ctx context.Context) error {
	t := time.NewTicker(certificateEvery)
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
func (c *certificate) look(seen *stamps) {
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
	if err := c.load(); err != nil {
		c.log.Error("the new TLS certificate cannot be used; the old one stays in use", "err", err)
		return
	}
	c.log.Info("TLS certificate renewed", "file", c.certFile, "not_after", c.current.Load().Leaf.NotAfter)
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.current.Load(), nil
	}}
}

// secure makes the server's side of TLS.
func secure(config *tls.Config) func(net.Conn) (net.Conn, error) {
	return func(raw net.Conn) (net.Conn, error) {
		c := tls.Server(raw, config)
		if err := c.Handshake(); err != nil {
			return nil, err
		}
		return secureConn{Conn: c}, nil
	}
}

// secureConn closes in a short time, also when the phone does not read.
type secureConn struct {
	*tls.Conn
	// shown is the certificate of the other side; nil for none that is believed.
	shown *x509.Certificate
}

func (c secureConn) Close() error {
	t := time.AfterFunc(closingTime, func() { c.NetConn().Close() })
	defer t.Stop()
	return c.Conn.Close()
}
