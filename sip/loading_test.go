package sip

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// loading is what a world does while its server loads, at a UDP port that is given.
func loading(t *testing.T, c *Config, kept string, load func(addr string) error) {
	t.Helper()
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.UDP, c.TCP = free.LocalAddr().String(), ""
	_ = free.Close()
	if c.Store, err = location.Begin(location.Config{Dir: kept, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Store.Close() })
	c.Load = func(serve func(bool)) error { serve(true); return errors.Join(load(c.UDP), c.Store.Load(t.Context())) }
}

func lineTo(t *testing.T, addr string) *line {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &line{t: t, conn: conn}
}

func textOf(method, toTag, branch string) string {
	return fmt.Sprintf("%s sip:7001@%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <sip:9@x.test>;tag=a\r\nTo: <sip:7001@%s>%s\r\nCall-ID: %s\r\nCSeq: 1 %s\r\nContact: <sip:9@127.0.0.1:5999>\r\nContent-Length: 0\r\n\r\n",
		method, testRealm, branch, testRealm, toTag, branch, method)
}

// TestServer_PhonesRegisterWhileItLoads, those that the store knows and those that it does
// not; what begins anything else goes elsewhere, and the rest waits for Run.
func TestServer_PhonesRegisterWhileItLoads(t *testing.T) {
	kept := t.TempDir()
	fillStore(t, kept, 2000, entryOf("7001", location.UDP, time.Hour), entryOf("7002", location.TCP, time.Hour))
	w := newWorld(t, func(c *Config) {
		loading(t, c, kept, func(addr string) error {
			ctx, cancel := siptest.Within(patience.Limit)
			defer cancel()
			for _, number := range []string{"7001", "7002", "7003"} {
				p, err := siptest.NewPhone(siptest.Config{DN: number, Password: "pw" + number, Domain: testRealm, Server: addr, Transport: "udp"})
				if err != nil {
					return err
				}
				defer p.Close()
				must(t, 200)(p.Register(ctx, time.Hour))
				if st, _ := c.Table.Get(dn.Number(number)); st.State != dn.InSrv {
					t.Errorf("DN %s is %+v while the server loads", number, st)
				}
			}
			if e := c.Store.Get("7002"); len(e.Bindings) != 1 || e.Bindings[0].Transport != location.UDP {
				t.Errorf("the connection of before is there still: %+v", e)
			}
			if c.Table.Counts().InSrv != 3 {
				t.Errorf("all was put back before: %+v", c.Table.Counts())
			}
			l := lineTo(t, addr)
			l.send(textOf("BYE", ";tag=b", "bye"))
			l.send(textOf("ACK", "", "ack"))
			l.send("SIP/2.0 200 OK\r\n\r\n")
			l.send("\x00\xff")
			l.send(textOf("REGISTER", "", "star") + "x")
			for _, method := range []string{"INVITE", "OPTIONS", "SUBSCRIBE"} {
				if r := l.ask(textOf(method, "", method)); r == nil || r.code != 503 || r.get("Retry-After") == "" || r.get("Call-ID") != method {
					t.Errorf("%s while the server loads: %+v", method, r)
				}
			}
			return nil
		})
		for _, number := range []string{"7001", "7002", "7003"} {
			c.Machine.ApplyCommand(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutDn{PutDn: phoneDN(number)}}}})
		}
	})
	if got := w.table.Counts().InSrv; got != 2003 {
		t.Errorf("%d DNs are in service, want 2003", got)
	}
	if st := w.server.Stats(); st.Bindings != 2004 || st.Registrations != 2 || st.Refreshes != 1 {
		t.Errorf("%d bindings, %d registrations, %d refreshes", st.Bindings, st.Registrations, st.Refreshes)
	}
	l := lineTo(t, w.cfg.UDP)
	l.send(textOf("OPTIONS", "", "waits"))
	w.run()
	if r := l.final(); r == nil || r.code == 503 || r.get("Call-ID") != "waits" {
		t.Errorf("what came before Run: %+v", r)
	}
}

// TestServer_NobodyIsToldByAConfigurationThatCanNotBeRead: a phone whose DN can't be looked
// up is not told that its password is wrong, nor is anybody behind that. When the load has
// no phones served any more none is.
func TestServer_NobodyIsToldByAConfigurationThatCanNotBeRead(t *testing.T) {
	w := newWorld(t, nil)
	for _, number := range []string{"7001", "7002"} {
		w.machine.ApplyCommand(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutDn{PutDn: phoneDN(number)}}}})
	}
	path := filepath.Join(t.TempDir(), "config.db")
	noError(t, w.machine.CopyTo(path))
	db, err := bolt.Open(path, 0o600, nil)
	noError(t, err)
	noError(t, db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("dn")).Put([]byte("7002"), []byte("\xff\xff")) }), db.Close())
	cfg := w.cfg
	cfg.Machine, err = fsm.Begin(fsm.Config{Path: path})
	noError(t, err)
	t.Cleanup(func() { _ = cfg.Machine.Close() })
	loading(t, &cfg, t.TempDir(), func(string) error { return nil })
	cfg.Load = func(serve func(bool)) error {
		serve(true)
		l := lineTo(t, cfg.UDP)
		register := func(number string) string {
			return fmt.Sprintf("REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK%s\r\nFrom: <sip:%s@%s>;tag=a\r\nTo: <sip:%s@%s>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\nContact: <sip:9@127.0.0.1:5999>\r\nContent-Length: 0\r\n\r\n",
				testRealm, number, number, testRealm, number, testRealm)
		}
		if r := l.ask(register("7001")); r.code != 401 {
			t.Errorf("a DN that can be read: %+v", r)
		}
		for _, number := range []string{"7002", "7001"} {
			l.send(register(number))
			l.send(textOf("OPTIONS", "", "behind"+number))
			if r := l.final(); r == nil || r.code != 503 {
				t.Errorf("a REGISTER of %s was answered: %+v", number, r)
			}
		}
		serve(false)
		return nil
	}
	s, err := New(cfg)
	noError(t, err)
	if st := s.Stats(); st.WrongPasswords != 0 {
		t.Errorf("%d passwords count as wrong", st.WrongPasswords)
	}
	noError(t, s.Close())
}

// TestServer_ALoadThatFailsIsItsError, and frees the ports, whoever is being served.
func TestServer_ALoadThatFailsIsItsError(t *testing.T) {
	w := newWorld(t, nil)
	fails := errors.New("no disk")
	cfg := w.cfg
	loading(t, &cfg, t.TempDir(), func(addr string) error {
		l := lineTo(t, addr)
		if r := l.ask(textOf("OPTIONS", "", "o")); r == nil || r.code != 503 {
			t.Errorf("%+v", r)
		}
		return fails
	})
	if s, err := New(cfg); s != nil || !errors.Is(err, fails) {
		t.Fatal(s, err)
	}
	conn, err := net.ListenPacket("udp", cfg.UDP)
	if err != nil {
		t.Fatal("the port is not free:", err)
	}
	_ = conn.Close()
}

func noError(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
