use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use super::*;

fn counting(count: &Arc<AtomicUsize>) -> impl FnOnce() + Send + 'static {
    let count = Arc::clone(count);
    move || {
        count.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn cancel_runs_each_hook_once_unless_it_was_removed() {
    let (token, count) = (CancelToken::new(), Arc::default());
    let kept = token.clone().on_cancel(counting(&count));
    drop(token.on_cancel(counting(&count)));
    assert!(!token.is_cancelled());
    token.cancel();
    token.cancel();
    assert!(token.is_cancelled());
    assert_eq!(count.load(Ordering::SeqCst), 1);
    drop(kept);
    let _late = token.on_cancel(counting(&count));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn a_hook_may_drop_its_own_guard() {
    let (token, kept) = (CancelToken::new(), Arc::new(OnceLock::new()));
    let held = Arc::downgrade(&kept);
    // Stands for the woken thread, which drops its reference while the hook runs.
    let others = Mutex::new(Some(Arc::clone(&kept)));
    let hook = token.on_cancel(move || {
        let last = held.upgrade();
        drop(others.lock().map(|mut others| others.take()));
        drop(last);
    });
    assert!(kept.set(hook).is_ok());
    drop(kept);
    token.cancel();
    assert!(token.is_cancelled());
}

#[test]
fn dropping_on_cancel_waits_for_a_running_hook() {
    let (token, running) = (CancelToken::new(), Arc::new(AtomicBool::new(false)));
    let (sender, receiver) = channel();
    let hook = token.on_cancel({
        let running = Arc::clone(&running);
        move || {
            running.store(true, Ordering::SeqCst);
            sender.send(());
            for _ in 0..1000 {
                thread::yield_now();
            }
            running.store(false, Ordering::SeqCst);
        }
    });
    let cancelling = thread::spawn(move || token.cancel());
    let _ = receiver.recv_until(None);
    drop(hook);
    assert!(!running.load(Ordering::SeqCst));
    assert!(cancelling.join().is_ok());
}

#[test]
fn wait_returns_after_its_time_or_when_the_token_is_cancelled() {
    let token = CancelToken::new();
    assert!(!token.wait(Duration::from_millis(1)));
    let waiting = thread::spawn({
        let token = token.clone();
        move || token.wait(Duration::from_secs(3600))
    });
    token.cancel();
    assert_eq!(waiting.join().ok(), Some(true));
    assert!(token.wait(Duration::from_secs(3600)));
    assert!(token.wait(Duration::MAX));
}

#[test]
fn cancel_reaches_children_but_not_the_parent() {
    let parent = CancelToken::new();
    let [first, second] = [parent.child(), parent.child()];
    first.cancel();
    assert!(first.is_cancelled() && !parent.is_cancelled() && !second.is_cancelled());
    let grandchild = second.child();
    parent.cancel();
    assert!(second.is_cancelled() && grandchild.is_cancelled() && parent.child().is_cancelled());
}
