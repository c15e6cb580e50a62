package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/cmd/internal/transcript"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// asked are the commands that change nothing: what they show may take a moment to come
// about, so they are asked until they do.
var asked = regexp.MustCompile(`^(sipcluster (audit$|events|call (list|get|trace)|dn (list|get|why)|node list|status|keyring list|route (list|test)|stats|bans list|ca show|token list|whoami)\b|curl -s -H)`)

// long is how long a command may take: whole clusters start on a machine that does other
// work.
const long = 4 * patience.Limit

// lasting are the commands that end when they are told to.
var lasting = regexp.MustCompile(`(^sipcluster (server|watch|agent hold|dn watch|audit --follow)\b|^sipcluster dev( --|$)|^curl .*-N |(gateway|statserver)\.py|&$)`)

// theatre is where a document's commands are typed: machines that are directories, with
// addresses of the loopback network of their own.
type theatre struct {
	t    *testing.T
	root string
	scene
	repo string
	// goenv are the directories of Go, which are none of the machines'.
	goenv []string
	// here has for each address of the document that of this run.
	here map[string]string
}

// tools are commands that scenes have beside those of the system: the program, a phone
// that takes and makes calls, and what waits.
const tools = `eventually() { until "$@" >/dev/null 2>&1; do sleep 0.2; done; }
says() { grep -qE -- "$1" <<<"$("${@:2}" 2>&1)"; }
gone() { ! kill -0 -- "$1"; }
`

func stage(t *testing.T, s scene) *theatre {
	t.Helper()
	for _, needed := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skip("NOT RUN:", err)
		}
	}
	p := &theatre{t: t, root: t.TempDir(), scene: s, here: map[string]string{}}
	for _, host := range s.Hosts {
		p.here[host] = loopback()
	}
	for _, a := range s.Addresses {
		p.here[a] = loopback()
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if p.repo, err = filepath.Abs("../.."); err != nil {
		t.Fatal(err)
	}
	env, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	p.goenv = strings.Fields(string(env))
	p.tool("sipcluster", self, "1")
	p.tool("phone", self, "phone")
	for host := range s.Hosts {
		for _, dir := range []string{"tmp", "etc/sipcluster", "var/lib", "root"} {
			if err := os.MkdirAll(filepath.Join(p.home(host), dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		p.write(filepath.Join(p.home(host), "rc"), tools, 0o600)
	}
	return p
}

// loopback is an address that nobody else uses.
func loopback() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 100+pid/250%100, 1+pid%250, 1+loopbacks.Add(1)%250)
}

func (p *theatre) tool(name, self, be string) {
	if err := os.MkdirAll(filepath.Join(p.root, "bin"), 0o700); err != nil {
		p.t.Fatal(err)
	}
	p.write(filepath.Join(p.root, "bin", name), fmt.Sprintf("#!/bin/sh\n%s=%s exec %q \"$@\"\n", beProgram, be, self), 0o700)
}

func (p *theatre) write(file, text string, mode os.FileMode) {
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
}

// home is the directory that is the machine.
func (p *theatre) home(host string) string { return filepath.Join(p.root, "host-"+host) }

// play runs the blocks, in their order.
func (p *theatre) play(blocks []transcript.Block) {
	if p.Needs != "" && p.begin("", p.Needs, nil).ends() != 0 {
		p.t.Skip("NOT RUN: it needs", p.Needs)
	}
	p.prepare("", p.Before)
	for _, b := range blocks {
		said := p.saidOf(b)
		if said == nil {
			said = &passage{}
		}
		if said.Not != "" || len(b.Commands()) == 0 {
			continue
		}
		p.prepare(said.On, said.Before)
		for _, c := range b.Commands() {
			if c.Host == "" {
				c.Host = said.On
			}
			if b.Language == transcript.Shell {
				c.Output = []string{"..."}
			}
			p.perform(c, said)
		}
	}
}

// prepare runs what is not written in the document.
func (p *theatre) prepare(host, script string) {
	if script == "" || p.t.Failed() {
		return
	}
	run := p.begin(host, "set -e\n"+script, nil)
	if status := run.ends(); status != 0 {
		p.t.Fatalf("%s: status %d of\n%s\n%s", p.Doc, status, script, strings.Join(run.printed(), "\n"))
	}
}

// perform runs a command of the document, and compares.
func (p *theatre) perform(c transcript.Command, said *passage) {
	if p.t.Failed() {
		return
	}
	text := c.Text
	var pairs []string
	for _, written := range slices.SortedFunc(maps.Keys(said.Replace), func(a, b string) int { return len(b) - len(a) }) {
		pairs = append(pairs, written, said.Replace[written])
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	text = comment.ReplaceAllString(text, "")
	var wrong string
	try := func() bool {
		wrong = p.try(c, text, said)
		return wrong == ""
	}
	if asked.MatchString(text) && c.Output != nil {
		patience.Within(long, try)
	} else {
		try()
	}
	if wrong != "" {
		p.t.Errorf("%s:%d: %s\n%s", p.Doc, c.Line, c.Text, wrong)
	}
}

// try runs a command once, and tells what is not as written.
func (p *theatre) try(c transcript.Command, text string, said *passage) (wrong string) {
	compare := transcript.Differs
	if said.Unordered {
		compare = transcript.Lacks
	}
	if lasting.MatchString(text) {
		run := p.begin(c.Host, text, said.Typed)
		size := int64(-1)
		patience.Within(long, func() bool {
			if info, err := os.Stat(run.out); err == nil && info.Size() != size {
				size = info.Size()
				wrong = compare(append(slices.Clone(c.Output), "..."), run.printed())
			}
			return wrong == ""
		})
		return wrong
	}
	run := p.begin(c.Host, text, said.Typed)
	status := run.ends()
	if wrong = compare(c.Output, run.printed()); wrong != "" {
		return wrong
	}
	fails := slices.ContainsFunc(c.Output, func(l string) bool {
		return strings.HasPrefix(l, "sipcluster: ") && !strings.HasPrefix(l, "sipcluster: warning: ") && !strings.HasPrefix(l, "sipcluster: the first administrator")
	})
	if (status != 0) != fails {
		return fmt.Sprintf("status %d:\n%s", status, strings.Join(run.printed(), "\n"))
	}
	if strings.HasPrefix(c.Text, "export ") || strings.HasPrefix(c.Text, "cd ") {
		rc, err := os.ReadFile(filepath.Join(p.home(c.Host), "rc"))
		if err != nil {
			p.t.Fatal(err)
		}
		p.write(filepath.Join(p.home(c.Host), "rc"), string(rc)+p.local(c.Host, text)+"\n", 0o600)
	}
	return ""
}

var (
	comment = regexp.MustCompile(` +# .*$`)
	address = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`)
	rooted  = regexp.MustCompile(`(^|[\s=@'"])/(var/lib/sipcluster|etc/sipcluster|root)\b`)
)

// local is a command of the document as it is run here.
func (p *theatre) local(host, text string) string {
	text = address.ReplaceAllStringFunc(text, func(a string) string {
		if here, ok := p.here[a]; ok {
			return here
		}
		return a
	})
	return rooted.ReplaceAllString(text, "${1}"+p.home(host)+"/$2")
}

// running is a command with what it has printed.
type running struct {
	p         *theatre
	cmd       *exec.Cmd
	out, host string
	ended     chan struct{}
}

// begin starts a command in a group of processes of its own, which ends with the test.
func (p *theatre) begin(host, text string, typed []string) *running {
	p.t.Helper()
	home := p.home(host)
	out, err := os.CreateTemp(p.root, "out")
	if err != nil {
		p.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("bash", "-c", "set -o pipefail; . ../rc\n"+p.local(host, strings.TrimSuffix(text, "&")))
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join(home, "root"), out, out
	cmd.Env = []string{
		"HOME=" + filepath.Join(home, "root"), "TMPDIR=" + filepath.Join(home, "tmp"), "PATH=" + filepath.Join(p.root, "bin") + ":" + os.Getenv("PATH"),
		"LC_ALL=C.UTF-8", "TZ=UTC", "REPO=" + p.repo, "GOCACHE=" + p.goenv[0], "GOMODCACHE=" + p.goenv[1], "GOPATH=" + p.goenv[2],
	}
	if typed != nil {
		terminal, keys := p.terminal()
		defer terminal.Close()
		p.t.Cleanup(func() { _ = keys.Close() })
		for _, line := range typed {
			if _, err := keys.WriteString(line + "\n"); err != nil {
				p.t.Fatal(err)
			}
		}
		cmd.Stdin = terminal
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	if file := "background.pid"; lasting.MatchString(text) {
		if strings.HasPrefix(text, "sipcluster server") {
			file = "server.pid"
		}
		p.write(filepath.Join(home, file), strconv.Itoa(-cmd.Process.Pid), 0o600)
	}
	r := &running{p: p, cmd: cmd, out: out.Name(), host: host, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		_ = cmd.Wait()
	}()
	p.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-r.ended
	})
	return r
}

// terminal is one with its keyboard.
func (p *theatre) terminal() (terminal, keys *os.File) {
	p.t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	return terminal, keys
}

// ends waits for the command's end.
func (r *running) ends() (status int) {
	r.p.t.Helper()
	limit := time.NewTimer(long)
	defer limit.Stop()
	select {
	case <-r.ended:
	case <-limit.C:
		r.p.t.Fatalf("%s has not ended after %v: %s\n%s", r.p.Doc, long, r.cmd, strings.Join(r.printed(), "\n"))
	}
	return r.cmd.ProcessState.ExitCode()
}

// printed are the lines so far, with the machine's paths as the document has them.
func (r *running) printed() []string {
	b, err := os.ReadFile(r.out)
	if err != nil {
		r.p.t.Fatal(err)
	}
	if len(b) == 0 {
		return nil
	}
	s := strings.ReplaceAll(string(b), r.p.home(r.host), "")
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
