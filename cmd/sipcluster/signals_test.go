package main

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// supervised is a server with a settings file, a supervisor, and somebody who reads its log.
type supervised struct {
	t     *testing.T
	file  string
	told  *net.UnixConn // what the supervisor hears
	log   chan string
	read  *os.File // the reader's end of the log
	kill  func(syscall.Signal)
	ended chan struct{}
	err   error
	addrs []string
}

func startSupervised(t *testing.T) *supervised {
	t.Helper()
	dir := t.TempDir()
	s := &supervised{t: t, file: filepath.Join(dir, "node.yaml"), log: make(chan string, 1000), ended: make(chan struct{}), addrs: freeAddrs(t, 6)}
	s.settings("log-level: warn", "sip-rate: 5")
	var err error
	if s.told, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.told.Close() })
	a := s.addrs
	cmd := program(t, "server", "--insecure", "--node", "a", "--site", "dc1", "--data-dir", filepath.Join(dir, "data"), "--bootstrap", "--config", s.file,
		"--sip-addr", a[0], "--default-addr", a[1], "--tc-addr", a[2], "--cluster-addr", a[3], "--gossip-addr", a[4], "--http-addr", a[5])
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "WATCHDOG_USEC=400000")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.read, cmd.Stderr = read, write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	s.kill = func(sig syscall.Signal) {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		for lines := bufio.NewScanner(read); lines.Scan(); {
			s.log <- lines.Text()
		}
	}()
	go func() { defer close(s.ended); s.err = cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		patience.Receive(t, "the end of the process", s.ended)
		_ = read.Close()
	})
	return s
}

// settings writes the file.
func (s *supervised) settings(lines ...string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// hears waits until the supervisor is told that.
func (s *supervised) hears(state string) {
	s.t.Helper()
	_ = s.told.SetReadDeadline(time.Now().Add(patience.Limit))
	b := make([]byte, 256)
	for {
		n, err := s.told.Read(b)
		if err != nil {
			s.t.Fatalf("the supervisor waits for %s: %v", state, err)
		}
		if got, _, _ := strings.Cut(string(b[:n]), "\n"); got == state {
			return
		}
	}
}

// logs waits for a line with all of that.
func (s *supervised) logs(parts ...string) {
	s.t.Helper()
	for deadline := time.After(patience.Limit); ; {
		select {
		case line := <-s.log:
			all := true
			for _, p := range parts {
				all = all && strings.Contains(line, p)
			}
			if all {
				return
			}
		case <-s.ended:
			s.t.Fatalf("it ended (%v) before it said %v", s.err, parts)
		case <-deadline:
			s.t.Fatalf("waited in vain for %v", parts)
		}
	}
}

// A signal that asks for something is obeyed, and none but those that end it ends it.
func TestServer_ObeysSignalsAndItsSupervisor(t *testing.T) {
	s := startSupervised(t)
	s.hears("READY=1")
	s.hears("WATCHDOG=1")
	s.settings("log-level: info", "sip-rate: 7", "realm: other.example")
	s.kill(syscall.SIGHUP)
	s.hears("RELOADING=1")
	s.hears("READY=1")
	s.logs("settings were read again", "log-level sip-rate", "level=INFO")
	s.logs("wait for a restart", "realm")
	s.settings("log-level: loud")
	s.kill(syscall.SIGHUP)
	s.logs("the settings can't be used", "--log-level loud")
	s.kill(syscall.SIGUSR1)
	s.logs("switched by a signal", "level=DEBUG")
	s.kill(syscall.SIGUSR1)
	s.logs("switched by a signal", "level=INFO")

	_ = s.read.Close() // the reader of the log dies
	s.kill(syscall.SIGUSR1)
	s.settings("log-level: debug")
	s.kill(syscall.SIGHUP)
	s.hears("RELOADING=1")
	s.hears("WATCHDOG=1")
	s.hears("WATCHDOG=1")
	s.kill(syscall.SIGTERM)
	s.hears("STOPPING=1")
	patience.Receive(t, "the end of the process", s.ended)
	if s.err != nil {
		t.Error(s.err)
	}
}
