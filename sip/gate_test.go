package sip

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// FuzzGate holds that a request is never met with silence, ACK apart: it goes
// on to sipgo, which can read it, or is answered.
func FuzzGate(f *testing.F) {
	files, _ := filepath.Glob("testdata/rfc4475/*.dat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
		f.Add(data, true)
	}
	w := newWorld(f, nil)
	var a wire.Arrival
	f.Fuzz(func(t *testing.T, data []byte, stream bool) {
		transport := location.UDP
		if stream {
			transport = location.TCP
		}
		w.server.gate.check(arriving(&a, bytes.Clone(data), localSource, transport))
		if len(a.Tidy) > 0 {
			if _, err := w.server.gate.parser.ParseSIP(a.Tidy); err != nil {
				t.Fatalf("%v: %q", err, a.Tidy)
			}
			return
		}
		if a.Msg.IsRequest() && len(a.Msg.Method) > 0 && string(a.Msg.Method) != "ACK" && len(a.Reply) == 0 {
			t.Fatalf("silence for %q", data)
		}
	})
}

func TestQuiet_KeepsSecretsOutAndIsSeldom(t *testing.T) {
	var out bytes.Buffer
	log := sipgoLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for range 100 {
		log.With("secret", "hunter2").WithGroup("g").Error("failed to parse", "data", "Authorization: Digest response=hunter2")
	}
	log.Info("hunter2")
	if text := out.String(); strings.Contains(text, "hunter2") || strings.Count(text, "\n") != 1 || !strings.Contains(text, "failed to parse") {
		t.Error(text)
	}
}

func TestServer_DiskFullDoesNotStopRegistrations(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIPPED: a full disk needs root to mount one: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	w := newWorld(t, func(c *Config) { c.Store = openStore(t, dir) })
	w.put(phoneDN("1001"))
	w.run()
	_ = os.WriteFile(filepath.Join(dir, "full"), make([]byte, 2<<20), 0o600)
	p := w.phone("1001", "udp")
	for range 100 { // the journal's last page has room for some
		must(t, 200)(p.Register(context.Background(), time.Hour))
	}
	if st := w.state("1001"); st.State != dn.InSrv || w.server.Stats().FlushFailures == 0 {
		t.Errorf("%+v, %+v", st, w.server.Stats())
	}
}

func TestServer_LargeDatagrams(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	for _, c := range []struct{ pad, want int }{{wire.MaxTidy - 1000, 200}, {wire.MaxTidy - 10, 513}, {wire.MaxDatagram, 513}} {
		l := w.dial("udp")
		head := "OPTIONS sip:127.0.0.1 SIP/2.0\r\nv: SIP/2.0/UDP h;rport;branch=z9hG4bK" + portOf(l) + "\r\nf: <sip:a@b>;tag=1\r\nt: <sip:b@c>\r\ni: s\r\nCSeq: 1 OPTIONS\r\nX: "
		if res := l.ask(head + strings.Repeat("x", c.pad-len(head)-4) + "\r\n\r\n"); res.code != c.want {
			t.Errorf("%d bytes: %d %s", c.pad, res.code, res.reason)
		}
	}
}
