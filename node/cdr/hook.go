package cdr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/problem"
)

const (
	// maxBody bounds what is sent at once, in bytes; a longer line is sent alone.
	maxBody = 256 << 10
	// maxLine bounds a line that is read.
	maxLine = 1 << 20
	// answerWithin is how long the server may take.
	answerWithin = 10 * time.Second
	// firstPause and lastPause are between attempts in vain.
	firstPause, lastPause = time.Second, time.Minute
	// NDJSON is the media type of what is sent: a JSON object a line.
	NDJSON = "application/x-ndjson"
)

// cursor is up to where the hook has taken the records.
type cursor struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
}

// hook sends what is in the files to a web server, each record at least once, in order: a
// record is behind the cursor only when an answer of 200 to 299 said so.
type hook struct {
	cfg    Config
	files  *files
	client *http.Client
	path   string

	sent, unsent, failed atomic.Uint64
}

func newHook(cfg Config, f *files) *hook {
	return &hook{
		cfg: cfg, files: f, path: filepath.Join(cfg.Dir, cfg.Node+"-calls.sent"),
		client: &http.Client{Timeout: answerWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// begin takes the cursor back to where the newest file ends, before anything is written there:
// a power failure may have taken records from the file that had been sent.
func (h *hook) begin() {
	at, err := h.cursor()
	if name, end := h.files.end(); err == nil && at.File == name && at.Offset > end {
		err = h.save(cursor{File: name, Offset: end})
	}
	if err != nil {
		h.cfg.Log.Warn("where the call records were sent up to is not known to be right", "err", err)
	}
}

// run sends until ctx ends.
func (h *hook) run(ctx context.Context) {
	defer h.client.CloseIdleConnections()
	pause := time.Duration(0)
	for ctx.Err() == nil {
		more := h.files.more()
		some, err := h.step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			h.failed.Add(1)
			h.cfg.Problems.Begin(problem.Problem{Code: "call-records-hook", Text: "call records are not sent: " + err.Error(), Advice: "they stay in " + h.cfg.Dir + " as long as there is room, and are sent when the server takes them"})
			pause = min(max(firstPause, 2*pause), lastPause)
			wait(ctx, pause, nil)
		case some:
			h.cfg.Problems.End("call-records-hook", "")
			pause = 0
		default:
			h.cfg.Problems.End("call-records-hook", "")
			pause = 0
			wait(ctx, 0, more)
		}
	}
}

// wait for some time, or with none until there is more.
func wait(ctx context.Context, d time.Duration, more <-chan struct{}) {
	var tick <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		tick = t.C
	}
	select {
	case <-ctx.Done():
	case <-tick:
	case <-more:
	}
}

// step sends the next records, if there are any.
func (h *hook) step(ctx context.Context) (some bool, err error) {
	at, err := h.cursor()
	if err != nil {
		return false, err
	}
	all, err := h.files.list()
	if err != nil {
		return false, err
	}
	at, gone := first(at, all)
	if gone {
		h.unsent.Add(1)
		h.cfg.Log.Warn("call records were deleted before they were sent: the next file is gone on with", "file", at.File)
		if err := h.save(at); err != nil { // so that it is told once
			return false, err
		}
	}
	for {
		lines, n, err := h.read(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if len(lines) > 0 {
			if err := h.post(ctx, lines); err != nil {
				return false, err
			}
			h.sent.Add(uint64(n))
			at.Offset += int64(len(lines))
			return true, h.save(at)
		}
		i := slices.Index(all, at.File)
		if i < 0 || i == len(all)-1 {
			return false, nil
		}
		at = cursor{File: all[i+1]}
	}
}

// first is the cursor at the first file that there is; gone: one that was not sent whole is
// no more.
func first(at cursor, all []string) (_ cursor, gone bool) {
	if len(all) == 0 || slices.Contains(all, at.File) {
		return at, false
	}
	for _, name := range all {
		if name > at.File {
			return cursor{File: name}, at.File != ""
		}
	}
	return cursor{File: all[len(all)-1]}, true // the clock was set back, or somebody renamed them
}

// read returns whole lines behind the cursor, as many as are sent at once, and how many
// records they have.
func (h *hook) read(at cursor) (lines []byte, records int, err error) {
	if at.File == "" {
		return nil, 0, nil
	}
	f, err := os.Open(filepath.Join(h.cfg.Dir, at.File))
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	buf := make([]byte, maxBody)
	n, err := f.ReadAt(buf, at.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	end := bytes.LastIndexByte(buf[:n], '\n') + 1
	if end == 0 && n == len(buf) {
		buf = make([]byte, maxLine)
		n, err = f.ReadAt(buf, at.Offset)
		if end = bytes.IndexByte(buf[:n], '\n') + 1; end == 0 && n == len(buf) {
			return nil, 0, fmt.Errorf("%s: a line at %d is longer than %d bytes", at.File, at.Offset, maxLine)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
	}
	return buf[:end], bytes.Count(buf[:end], []byte("\n")), nil
}

// post sends lines; nil when the server has taken them.
func (h *hook) post(ctx context.Context, lines []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.Hook, bytes.NewReader(lines))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", NDJSON)
	req.Header.Set("User-Agent", "sipcluster")
	if h.cfg.TokenFile != "" {
		b, err := credential.ReadSecret(h.cfg.TokenFile)
		if err != nil {
			return err
		}
		token, _, _ := strings.Cut(string(b), "\n")
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	}
	res, err := h.client.Do(req)
	var told *url.Error
	if errors.As(err, &told) {
		return told.Err // without the URL, which may have a secret
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody)) // so that the connection is used again
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("%s answers %s", req.URL.Host, res.Status)
	}
	return nil
}

func (h *hook) cursor() (at cursor, err error) {
	b, err := os.ReadFile(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return at, nil
	}
	if err != nil {
		return at, err
	}
	at, ok := readCursor(b)
	if !ok {
		h.cfg.Log.Warn("where the call records were sent up to can't be read: all that there are are sent again", "file", h.path)
	}
	return at, nil
}

// readCursor is the zero cursor when it can't be read.
func readCursor(b []byte) (at cursor, ok bool) {
	err := json.Unmarshal(b, &at)
	if err != nil || at.Offset < 0 || at.File != "" && at.File != filepath.Base(at.File) {
		return cursor{}, false
	}
	return at, true
}

func (h *hook) save(at cursor) error {
	b, err := json.Marshal(at)
	if err != nil {
		return err
	}
	return disk.WriteFile(h.path, append(b, '\n'), fileMode)
}
