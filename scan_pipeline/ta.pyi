"""Indicators on pandas: `from scan_pipeline import ta`. Generated from the indicators by report/stubs.py."""

from typing import overload

from pandas import DataFrame, Series

def weekly(bars: DataFrame) -> DataFrame:
    """The closed weeks of one symbol's daily bars, indexed by the session on which each closed."""

def monthly(bars: DataFrame) -> DataFrame:
    """The closed months of one symbol's daily bars, indexed by the session on which each closed."""

@overload
def ac(bars: DataFrame, /, fastperiod: int = 5, slowperiod: int = 34, signalperiod: int = 5) -> Series:
    """Accelerator/Decelerator Oscillator.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib AC.
    """

@overload
def ac(
    high: Series,
    low: Series,
    /,
    fastperiod: int = 5,
    slowperiod: int = 34,
    signalperiod: int = 5,
) -> Series: ...

@overload
def accbands(bars: DataFrame, /, timeperiod: int = 20) -> DataFrame:
    """Acceleration Bands.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: upperband (input), middleband (input), lowerband (input).
    Source: TA-Lib ACCBANDS.
    """

@overload
def accbands(high: Series, low: Series, close: Series, /, timeperiod: int = 20) -> DataFrame: ...

def acos(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric ACos.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib ACOS.
    """

@overload
def ad(bars: DataFrame, /) -> Series:
    """Chaikin A/D Line.

    Inputs: high, low, close, volume; or a DataFrame with these columns.
    Gives: real (shares).
    Source: TA-Lib AD.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def ad(high: Series, low: Series, close: Series, volume: Series, /) -> Series: ...

@overload
def ad_change(bars: DataFrame, /, timeperiod: int = 20) -> Series:
    """Change of the accumulation/distribution line (TA-Lib AD) over n bars.

    Inputs: high, low, close, volume; or a DataFrame with these columns.
    Gives: change (shares).
    Source: Marc Chaikin; numpy.
    """

@overload
def ad_change(high: Series, low: Series, close: Series, volume: Series, /, timeperiod: int = 20) -> Series: ...

@overload
def add(bars: DataFrame, /) -> Series:
    """Vector Arithmetic Add.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib ADD.
    """

@overload
def add(high: Series, low: Series, /) -> Series: ...

@overload
def adosc(bars: DataFrame, /, fastperiod: int = 3, slowperiod: int = 10) -> Series:
    """Chaikin A/D Oscillator.

    Inputs: high, low, close, volume; or a DataFrame with these columns.
    Gives: real (shares).
    Source: TA-Lib ADOSC.
    """

@overload
def adosc(
    high: Series,
    low: Series,
    close: Series,
    volume: Series,
    /,
    fastperiod: int = 3,
    slowperiod: int = 10,
) -> Series: ...

@overload
def adr(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Average Day Range.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib ADR.
    """

@overload
def adr(high: Series, low: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def adx(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Average Directional Movement Index; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib ADX.
    """

@overload
def adx(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def adxr(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Average Directional Movement Index Rating; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib ADXR.
    """

@overload
def adxr(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def ao(bars: DataFrame, /, fastperiod: int = 5, slowperiod: int = 34) -> Series:
    """Awesome Oscillator.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib AO.
    """

@overload
def ao(high: Series, low: Series, /, fastperiod: int = 5, slowperiod: int = 34) -> Series: ...

def apo(close: Series | DataFrame, /, fastperiod: int = 12, slowperiod: int = 26, matype: int = 1) -> Series:
    """Absolute Price Oscillator.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib APO.
    """

@overload
def aroon(bars: DataFrame, /, timeperiod: int = 14) -> DataFrame:
    """Aroon.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: aroondown (0-100), aroonup (0-100).
    Source: TA-Lib AROON.
    """

@overload
def aroon(high: Series, low: Series, /, timeperiod: int = 14) -> DataFrame: ...

@overload
def aroonosc(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Aroon Oscillator.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (-100-100).
    Source: TA-Lib AROONOSC.
    """

@overload
def aroonosc(high: Series, low: Series, /, timeperiod: int = 14) -> Series: ...

def asin(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric ASin.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib ASIN.
    """

def atan(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric ATan.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib ATAN.
    """

@overload
def atr(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Average True Range.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib ATR.
    """

@overload
def atr(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

def avgdev(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Average Deviation.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib AVGDEV.
    """

@overload
def avgprice(bars: DataFrame, /) -> Series:
    """Average Price.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib AVGPRICE.
    """

@overload
def avgprice(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

def bandwidth(close: Series | DataFrame, /, timeperiod: int = 20, deviations: float = 2.0) -> Series:
    """Bollinger's bandwidth: 100 × (upper band − lower band) / middle band.

    Inputs: close; or a DataFrame with these columns.
    Gives: bandwidth (percent).
    Source: Bollinger 2001, Bollinger on Bollinger Bands; numpy.
    """

def bars_since_high(high: Series | DataFrame, /, timeperiod: int = 252) -> Series:
    """Bars since the highest of the last n, 0 where it is this one; of equal ones, the last.

    Inputs: high; or a DataFrame with these columns.
    Gives: bars (bars).
    Source: numpy.
    """

def bars_since_low(low: Series | DataFrame, /, timeperiod: int = 252) -> Series:
    """Bars since the lowest of the last n, 0 where it is this one; of equal ones, the last.

    Inputs: low; or a DataFrame with these columns.
    Gives: bars (bars).
    Source: numpy.
    """

def bbands(
    close: Series | DataFrame,
    /,
    timeperiod: int = 20,
    nbdevup: float = 2.0,
    nbdevdn: float = 2.0,
    matype: int = 0,
) -> DataFrame:
    """Bollinger Bands.

    Inputs: close; or a DataFrame with these columns.
    Gives: upperband (input), middleband (input), lowerband (input).
    Source: TA-Lib BBANDS.
    """

@overload
def benchmark_beta(bars: DataFrame, /, timeperiod: int = 60) -> DataFrame:
    """Of the returns of n bars and the benchmark's: covariance / variance of the benchmark's; and their correlation.

    Inputs: close, benchmark; or a DataFrame with these columns.
    Gives: beta (ratio), correlation (ratio).
    Source: numpy.
    """

@overload
def benchmark_beta(close: Series, benchmark: Series, /, timeperiod: int = 60) -> DataFrame: ...

@overload
def beta(bars: DataFrame, /, timeperiod: int = 5) -> Series:
    """Beta.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib BETA.
    """

@overload
def beta(high: Series, low: Series, /, timeperiod: int = 5) -> Series: ...

@overload
def bop(bars: DataFrame, /) -> Series:
    """Balance Of Power.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib BOP.
    """

@overload
def bop(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cci(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Commodity Channel Index; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib CCI.
    """

@overload
def cci(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def cdl2crows(bars: DataFrame, /) -> Series:
    """Two Crows.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDL2CROWS.
    """

@overload
def cdl2crows(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdl3blackcrows(bars: DataFrame, /) -> Series:
    """Three Black Crows.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDL3BLACKCROWS.
    """

@overload
def cdl3blackcrows(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdl3inside(bars: DataFrame, /) -> Series:
    """Three Inside Up/Down.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDL3INSIDE.
    """

@overload
def cdl3inside(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdl3linestrike(bars: DataFrame, /) -> Series:
    """Three-Line Strike.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDL3LINESTRIKE.
    """

@overload
def cdl3linestrike(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdl3outside(bars: DataFrame, /) -> Series:
    """Three Outside Up/Down.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDL3OUTSIDE.
    """

@overload
def cdl3outside(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdl3starsinsouth(bars: DataFrame, /) -> Series:
    """Three Stars In The South.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDL3STARSINSOUTH.
    """

@overload
def cdl3starsinsouth(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdl3whitesoldiers(bars: DataFrame, /) -> Series:
    """Three Advancing White Soldiers.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDL3WHITESOLDIERS.
    """

@overload
def cdl3whitesoldiers(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlabandonedbaby(bars: DataFrame, /, penetration: float = 0.3) -> Series:
    """Abandoned Baby.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLABANDONEDBABY.
    """

@overload
def cdlabandonedbaby(open: Series, high: Series, low: Series, close: Series, /, penetration: float = 0.3) -> Series: ...

@overload
def cdladvanceblock(bars: DataFrame, /) -> Series:
    """Advance Block.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLADVANCEBLOCK.
    """

@overload
def cdladvanceblock(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlbelthold(bars: DataFrame, /) -> Series:
    """Belt-hold.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLBELTHOLD.
    """

@overload
def cdlbelthold(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlbreakaway(bars: DataFrame, /) -> Series:
    """Breakaway.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLBREAKAWAY.
    """

@overload
def cdlbreakaway(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlclosingmarubozu(bars: DataFrame, /) -> Series:
    """Closing Marubozu.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLCLOSINGMARUBOZU.
    """

@overload
def cdlclosingmarubozu(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlconcealbabyswall(bars: DataFrame, /) -> Series:
    """Concealing Baby Swallow.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLCONCEALBABYSWALL.
    """

@overload
def cdlconcealbabyswall(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlcounterattack(bars: DataFrame, /) -> Series:
    """Counterattack.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLCOUNTERATTACK.
    """

@overload
def cdlcounterattack(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdldarkcloudcover(bars: DataFrame, /, penetration: float = 0.5) -> Series:
    """Dark Cloud Cover.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLDARKCLOUDCOVER.
    """

@overload
def cdldarkcloudcover(open: Series, high: Series, low: Series, close: Series, /, penetration: float = 0.5) -> Series: ...

@overload
def cdldoji(bars: DataFrame, /) -> Series:
    """Doji.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLDOJI.
    """

@overload
def cdldoji(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdldojistar(bars: DataFrame, /) -> Series:
    """Doji Star.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLDOJISTAR.
    """

@overload
def cdldojistar(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdldragonflydoji(bars: DataFrame, /) -> Series:
    """Dragonfly Doji.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLDRAGONFLYDOJI.
    """

@overload
def cdldragonflydoji(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlengulfing(bars: DataFrame, /) -> Series:
    """Engulfing Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLENGULFING.
    """

@overload
def cdlengulfing(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdleveningdojistar(bars: DataFrame, /, penetration: float = 0.3) -> Series:
    """Evening Doji Star.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLEVENINGDOJISTAR.
    """

@overload
def cdleveningdojistar(open: Series, high: Series, low: Series, close: Series, /, penetration: float = 0.3) -> Series: ...

@overload
def cdleveningstar(bars: DataFrame, /, penetration: float = 0.3) -> Series:
    """Evening Star.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLEVENINGSTAR.
    """

@overload
def cdleveningstar(open: Series, high: Series, low: Series, close: Series, /, penetration: float = 0.3) -> Series: ...

@overload
def cdlgapsidesidewhite(bars: DataFrame, /) -> Series:
    """Up/Down-gap side-by-side white lines.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLGAPSIDESIDEWHITE.
    """

@overload
def cdlgapsidesidewhite(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlgravestonedoji(bars: DataFrame, /) -> Series:
    """Gravestone Doji.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLGRAVESTONEDOJI.
    """

@overload
def cdlgravestonedoji(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlhammer(bars: DataFrame, /) -> Series:
    """Hammer.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLHAMMER.
    """

@overload
def cdlhammer(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlhangingman(bars: DataFrame, /) -> Series:
    """Hanging Man.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLHANGINGMAN.
    """

@overload
def cdlhangingman(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlharami(bars: DataFrame, /) -> Series:
    """Harami Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLHARAMI.
    """

@overload
def cdlharami(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlharamicross(bars: DataFrame, /) -> Series:
    """Harami Cross Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLHARAMICROSS.
    """

@overload
def cdlharamicross(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlhighwave(bars: DataFrame, /) -> Series:
    """High-Wave Candle.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLHIGHWAVE.
    """

@overload
def cdlhighwave(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlhikkake(bars: DataFrame, /) -> Series:
    """Hikkake Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLHIKKAKE.
    """

@overload
def cdlhikkake(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlhikkakemod(bars: DataFrame, /) -> Series:
    """Modified Hikkake Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLHIKKAKEMOD.
    """

@overload
def cdlhikkakemod(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlhomingpigeon(bars: DataFrame, /) -> Series:
    """Homing Pigeon.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLHOMINGPIGEON.
    """

@overload
def cdlhomingpigeon(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlidentical3crows(bars: DataFrame, /) -> Series:
    """Identical Three Crows.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLIDENTICAL3CROWS.
    """

@overload
def cdlidentical3crows(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlinneck(bars: DataFrame, /) -> Series:
    """In-Neck Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLINNECK.
    """

@overload
def cdlinneck(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlinvertedhammer(bars: DataFrame, /) -> Series:
    """Inverted Hammer.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLINVERTEDHAMMER.
    """

@overload
def cdlinvertedhammer(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlkicking(bars: DataFrame, /) -> Series:
    """Kicking.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLKICKING.
    """

@overload
def cdlkicking(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlkickingbylength(bars: DataFrame, /) -> Series:
    """Kicking - bull/bear determined by the longer marubozu.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLKICKINGBYLENGTH.
    """

@overload
def cdlkickingbylength(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlladderbottom(bars: DataFrame, /) -> Series:
    """Ladder Bottom.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLLADDERBOTTOM.
    """

@overload
def cdlladderbottom(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdllongleggeddoji(bars: DataFrame, /) -> Series:
    """Long Legged Doji.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLLONGLEGGEDDOJI.
    """

@overload
def cdllongleggeddoji(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdllongline(bars: DataFrame, /) -> Series:
    """Long Line Candle.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLLONGLINE.
    """

@overload
def cdllongline(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlmarubozu(bars: DataFrame, /) -> Series:
    """Marubozu.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLMARUBOZU.
    """

@overload
def cdlmarubozu(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlmatchinglow(bars: DataFrame, /) -> Series:
    """Matching Low.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLMATCHINGLOW.
    """

@overload
def cdlmatchinglow(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlmathold(bars: DataFrame, /, penetration: float = 0.5) -> Series:
    """Mat Hold.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLMATHOLD.
    """

@overload
def cdlmathold(open: Series, high: Series, low: Series, close: Series, /, penetration: float = 0.5) -> Series: ...

@overload
def cdlmorningdojistar(bars: DataFrame, /, penetration: float = 0.3) -> Series:
    """Morning Doji Star.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLMORNINGDOJISTAR.
    """

@overload
def cdlmorningdojistar(open: Series, high: Series, low: Series, close: Series, /, penetration: float = 0.3) -> Series: ...

@overload
def cdlmorningstar(bars: DataFrame, /, penetration: float = 0.3) -> Series:
    """Morning Star.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLMORNINGSTAR.
    """

@overload
def cdlmorningstar(open: Series, high: Series, low: Series, close: Series, /, penetration: float = 0.3) -> Series: ...

@overload
def cdlonneck(bars: DataFrame, /) -> Series:
    """On-Neck Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLONNECK.
    """

@overload
def cdlonneck(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlpiercing(bars: DataFrame, /) -> Series:
    """Piercing Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLPIERCING.
    """

@overload
def cdlpiercing(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlrickshawman(bars: DataFrame, /) -> Series:
    """Rickshaw Man.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLRICKSHAWMAN.
    """

@overload
def cdlrickshawman(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlrisefall3methods(bars: DataFrame, /) -> Series:
    """Rising/Falling Three Methods.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLRISEFALL3METHODS.
    """

@overload
def cdlrisefall3methods(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlseparatinglines(bars: DataFrame, /) -> Series:
    """Separating Lines.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLSEPARATINGLINES.
    """

@overload
def cdlseparatinglines(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlshootingstar(bars: DataFrame, /) -> Series:
    """Shooting Star.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLSHOOTINGSTAR.
    """

@overload
def cdlshootingstar(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlshortline(bars: DataFrame, /) -> Series:
    """Short Line Candle.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLSHORTLINE.
    """

@overload
def cdlshortline(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlspinningtop(bars: DataFrame, /) -> Series:
    """Spinning Top.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLSPINNINGTOP.
    """

@overload
def cdlspinningtop(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlstalledpattern(bars: DataFrame, /) -> Series:
    """Stalled Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLSTALLEDPATTERN.
    """

@overload
def cdlstalledpattern(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlsticksandwich(bars: DataFrame, /) -> Series:
    """Stick Sandwich.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLSTICKSANDWICH.
    """

@overload
def cdlsticksandwich(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdltakuri(bars: DataFrame, /) -> Series:
    """Takuri (Dragonfly Doji with very long lower shadow).

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLTAKURI.
    """

@overload
def cdltakuri(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdltasukigap(bars: DataFrame, /) -> Series:
    """Tasuki Gap.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLTASUKIGAP.
    """

@overload
def cdltasukigap(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlthrusting(bars: DataFrame, /) -> Series:
    """Thrusting Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLTHRUSTING.
    """

@overload
def cdlthrusting(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdltristar(bars: DataFrame, /) -> Series:
    """Tristar Pattern.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLTRISTAR.
    """

@overload
def cdltristar(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlunique3river(bars: DataFrame, /) -> Series:
    """Unique 3 River.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLUNIQUE3RIVER.
    """

@overload
def cdlunique3river(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlupsidegap2crows(bars: DataFrame, /) -> Series:
    """Upside Gap Two Crows.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLUPSIDEGAP2CROWS.
    """

@overload
def cdlupsidegap2crows(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def cdlxsidegap3methods(bars: DataFrame, /) -> Series:
    """Upside/Downside Gap Three Methods.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: integer (-100-100).
    Source: TA-Lib CDLXSIDEGAP3METHODS.
    """

@overload
def cdlxsidegap3methods(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

def ceil(close: Series | DataFrame, /) -> Series:
    """Vector Ceil.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib CEIL.
    """

@overload
def cmf(bars: DataFrame, /, timeperiod: int = 20) -> Series:
    """Chaikin money flow: Σ volume × ((close − low) − (high − close))/(high − low) / Σ volume of n bars; unknown where nothing was traded (TA-Lib's is 0).

    Inputs: high, low, close, volume; or a DataFrame with these columns.
    Gives: cmf (ratio).
    Source: Marc Chaikin; numpy.
    """

@overload
def cmf(high: Series, low: Series, close: Series, volume: Series, /, timeperiod: int = 20) -> Series: ...

def cmo(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Chande Momentum Oscillator; unknown while prices stand still.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (-100-100).
    Source: TA-Lib CMO.
    """

def cmou(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Chande Momentum Oscillator (Unsmoothed).

    Inputs: close; or a DataFrame with these columns.
    Gives: real (-100-100).
    Source: TA-Lib CMOU.
    """

def coppock(
    close: Series | DataFrame,
    /,
    wmaperiod: int = 10,
    roc1period: int = 11,
    roc2period: int = 14,
) -> Series:
    """Coppock Curve.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib COPPOCK.
    """

@overload
def correl(bars: DataFrame, /, timeperiod: int = 30) -> Series:
    """Pearson's Correlation Coefficient (r).

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib CORREL.
    """

@overload
def correl(high: Series, low: Series, /, timeperiod: int = 30) -> Series: ...

def cos(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric Cos.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib COS.
    """

def cosh(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric Cosh.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib COSH.
    """

def cumsum(close: Series | DataFrame, /) -> Series:
    """Cumulative Sum.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib CUMSUM.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def cvi(bars: DataFrame, /, timeperiod: int = 10, rocperiod: int = 10) -> Series:
    """Chaikin's Volatility.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib CVI.
    """

@overload
def cvi(high: Series, low: Series, /, timeperiod: int = 10, rocperiod: int = 10) -> Series: ...

def dema(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Double Exponential Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib DEMA.
    """

@overload
def distance(bars: DataFrame, /) -> Series:
    """100 × (first / second − 1): how far a price lies above a level.

    Inputs: close, level; or a DataFrame with these columns.
    Gives: percent (percent).
    Source: numpy.
    """

@overload
def distance(close: Series, level: Series, /) -> Series: ...

@overload
def div(bars: DataFrame, /) -> Series:
    """Vector Arithmetic Div.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (quotient).
    Source: TA-Lib DIV.
    """

@overload
def div(high: Series, low: Series, /) -> Series: ...

@overload
def donchian(bars: DataFrame, /, timeperiod: int = 20) -> DataFrame:
    """Donchian Channels.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: upperband (input), middleband (input), lowerband (input).
    Source: TA-Lib DONCHIAN.
    """

@overload
def donchian(high: Series, low: Series, /, timeperiod: int = 20) -> DataFrame: ...

def dpo(close: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """Detrended Price Oscillator.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib DPO.
    """

@overload
def dx(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Directional Movement Index; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib DX.
    """

@overload
def dx(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def efi(bars: DataFrame, /, timeperiod: int = 13) -> Series:
    """Elder's Force Index.

    Inputs: close, volume; or a DataFrame with these columns.
    Gives: real (dollars/day).
    Source: TA-Lib EFI.
    """

@overload
def efi(close: Series, volume: Series, /, timeperiod: int = 13) -> Series: ...

def ema(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Exponential Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib EMA.
    """

def er(close: Series | DataFrame, /, timeperiod: int = 10) -> Series:
    """Kaufman Efficiency Ratio.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib ER.
    """

@overload
def eri(bars: DataFrame, /, timeperiod: int = 13) -> DataFrame:
    """Elder Ray Index (Bull Power / Bear Power).

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: bullpower (input), bearpower (input).
    Source: TA-Lib ERI.
    """

@overload
def eri(high: Series, low: Series, close: Series, /, timeperiod: int = 13) -> DataFrame: ...

def exp(close: Series | DataFrame, /) -> Series:
    """Vector Arithmetic Exp.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib EXP.
    """

def falling(close: Series | DataFrame, /, at_most: int = 50) -> Series:
    """Bars in a row that fell from the one before, counted to at_most.

    Inputs: close; or a DataFrame with these columns.
    Gives: bars (bars).
    Source: numpy.
    """

def floor(close: Series | DataFrame, /) -> Series:
    """Vector Floor.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib FLOOR.
    """

def fosc(close: Series | DataFrame, /, timeperiod: int = 5) -> Series:
    """Forecast Oscillator.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib FOSC.
    """

@overload
def fractal(bars: DataFrame, /, leftbars: int = 2, rightbars: int = 2) -> DataFrame:
    """Williams Fractal.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: swinghigh (0-100), swinglow (0-100).
    Source: TA-Lib FRACTAL.
    """

@overload
def fractal(high: Series, low: Series, /, leftbars: int = 2, rightbars: int = 2) -> DataFrame: ...

@overload
def gap_filled(bars: DataFrame, /) -> Series:
    """1 where the bar opened away from the last close and traded at it later; 0 also without a gap.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: filled (flag).
    Source: numpy.
    """

@overload
def gap_filled(open: Series, high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def green(bars: DataFrame, /, at_most: int = 50) -> Series:
    """Bars in a row that closed above their open, counted to at_most.

    Inputs: open, close; or a DataFrame with these columns.
    Gives: bars (bars).
    Source: numpy.
    """

@overload
def green(open: Series, close: Series, /, at_most: int = 50) -> Series: ...

@overload
def ha(bars: DataFrame, /) -> DataFrame:
    """Heikin-Ashi Candles.

    Inputs: open, high, low, close; or a DataFrame with these columns.
    Gives: haopen (input), hahigh (input), halow (input), haclose (input).
    Source: TA-Lib HA.
    """

@overload
def ha(open: Series, high: Series, low: Series, close: Series, /) -> DataFrame: ...

def highest_before(high: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """Highest of the n bars before this one.

    Inputs: high; or a DataFrame with these columns.
    Gives: highest (input).
    Source: numpy.
    """

def historical_volatility(close: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """100 × √252 × standard deviation (sample) of n daily log returns.

    Inputs: close; or a DataFrame with these columns.
    Gives: volatility (percent).
    Source: numpy.
    """

def hma(close: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """Hull Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib HMA.
    """

def ht_dcperiod(close: Series | DataFrame, /) -> Series:
    """Hilbert Transform - Dominant Cycle Period.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (bars).
    Source: TA-Lib HT_DCPERIOD.
    """

def ht_dcphase(close: Series | DataFrame, /) -> Series:
    """Hilbert Transform - Dominant Cycle Phase.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (degrees).
    Source: TA-Lib HT_DCPHASE.
    """

def ht_phasor(close: Series | DataFrame, /) -> DataFrame:
    """Hilbert Transform - Phasor Components.

    Inputs: close; or a DataFrame with these columns.
    Gives: inphase (input), quadrature (input).
    Source: TA-Lib HT_PHASOR.
    """

def ht_sine(close: Series | DataFrame, /) -> DataFrame:
    """Hilbert Transform - SineWave.

    Inputs: close; or a DataFrame with these columns.
    Gives: sine (ratio), leadsine (ratio).
    Source: TA-Lib HT_SINE.
    """

def ht_trendline(close: Series | DataFrame, /) -> Series:
    """Hilbert Transform - Instantaneous Trendline.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib HT_TRENDLINE.
    """

def ht_trendmode(close: Series | DataFrame, /) -> Series:
    """Hilbert Transform - Trend vs Cycle Mode.

    Inputs: close; or a DataFrame with these columns.
    Gives: integer (flag).
    Source: TA-Lib HT_TRENDMODE.
    """

@overload
def imi(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Intraday Momentum Index.

    Inputs: open, close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib IMI.
    """

@overload
def imi(open: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def inside_bar(bars: DataFrame, /) -> Series:
    """1 where high is below the last bar's high and low above its low.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: inside (flag).
    Source: Crabel 1990; numpy.
    """

@overload
def inside_bar(high: Series, low: Series, /) -> Series: ...

@overload
def is_above(bars: DataFrame, /) -> Series:
    """1 where the first is above the second, 0 where it is not: to count or to pick bars.

    Inputs: close, open; or a DataFrame with these columns.
    Gives: is_above (flag).
    Source: numpy.
    """

@overload
def is_above(close: Series, open: Series, /) -> Series: ...

def is_highest(volume: Series | DataFrame, /, timeperiod: int = 10) -> Series:
    """1 where no value of the last n bars is higher.

    Inputs: volume; or a DataFrame with these columns.
    Gives: is_highest (flag).
    Source: numpy.
    """

def is_lowest(volume: Series | DataFrame, /, timeperiod: int = 10) -> Series:
    """1 where no value of the last n bars is lower.

    Inputs: volume; or a DataFrame with these columns.
    Gives: is_lowest (flag).
    Source: numpy.
    """

def kama(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Kaufman Adaptive Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib KAMA.
    """

@overload
def kc(bars: DataFrame, /, timeperiod: int = 20, atrperiod: int = 10, nbdev: float = 2.0) -> DataFrame:
    """Keltner Channels.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: upperband (input), middleband (input), lowerband (input).
    Source: TA-Lib KC.
    """

@overload
def kc(
    high: Series,
    low: Series,
    close: Series,
    /,
    timeperiod: int = 20,
    atrperiod: int = 10,
    nbdev: float = 2.0,
) -> DataFrame: ...

@overload
def kdj(
    bars: DataFrame,
    /,
    fastk_period: int = 9,
    slowk_period: int = 3,
    slowk_matype: int = 13,
    slowd_period: int = 3,
    slowd_matype: int = 13,
) -> DataFrame:
    """KDJ Stochastic.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: k (0-100), d (0-100), j (0-100).
    Source: TA-Lib KDJ.
    """

@overload
def kdj(
    high: Series,
    low: Series,
    close: Series,
    /,
    fastk_period: int = 9,
    slowk_period: int = 3,
    slowk_matype: int = 13,
    slowd_period: int = 3,
    slowd_matype: int = 13,
) -> DataFrame: ...

def linearreg(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Linear Regression.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib LINEARREG.
    """

def linearreg_angle(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Linear Regression Angle.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib LINEARREG_ANGLE.
    """

def linearreg_intercept(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Linear Regression Intercept.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib LINEARREG_INTERCEPT.
    """

def linearreg_slope(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Linear Regression Slope.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (slope).
    Source: TA-Lib LINEARREG_SLOPE.
    """

def linreg_r2(close: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """r² of the least-squares line through the last n values: 1 where they lie on it.

    Inputs: close; or a DataFrame with these columns.
    Gives: r2 (ratio).
    Source: numpy.
    """

def ln(close: Series | DataFrame, /) -> Series:
    """Vector Log Natural.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib LN.
    """

def log10(close: Series | DataFrame, /) -> Series:
    """Vector Log10.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib LOG10.
    """

@overload
def low_since_high(bars: DataFrame, /, timeperiod: int = 60) -> Series:
    """Lowest low of the bars after the highest high of the last n (of equal ones, the last); unknown where that is this bar.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: low (dollars).
    Source: numpy.
    """

@overload
def low_since_high(high: Series, low: Series, /, timeperiod: int = 60) -> Series: ...

def lowest_before(low: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """Lowest of the n bars before this one.

    Inputs: low; or a DataFrame with these columns.
    Gives: lowest (input).
    Source: numpy.
    """

def ma(close: Series | DataFrame, /, timeperiod: int = 30, matype: int = 0) -> Series:
    """Moving average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MA.
    """

def macd(
    close: Series | DataFrame,
    /,
    fastperiod: int = 12,
    slowperiod: int = 26,
    signalperiod: int = 9,
) -> DataFrame:
    """Moving Average Convergence/Divergence.

    Inputs: close; or a DataFrame with these columns.
    Gives: macd (input), macdsignal (input), macdhist (input).
    Source: TA-Lib MACD.
    """

def macdext(
    close: Series | DataFrame,
    /,
    fastperiod: int = 12,
    fastmatype: int = 0,
    slowperiod: int = 26,
    slowmatype: int = 0,
    signalperiod: int = 9,
    signalmatype: int = 0,
) -> DataFrame:
    """MACD with controllable MA type.

    Inputs: close; or a DataFrame with these columns.
    Gives: macd (input), macdsignal (input), macdhist (input).
    Source: TA-Lib MACDEXT.
    """

def macdfix(close: Series | DataFrame, /, signalperiod: int = 9) -> DataFrame:
    """Moving Average Convergence/Divergence Fix 12/26.

    Inputs: close; or a DataFrame with these columns.
    Gives: macd (input), macdsignal (input), macdhist (input).
    Source: TA-Lib MACDFIX.
    """

def mama(close: Series | DataFrame, /, fastlimit: float = 0.5, slowlimit: float = 0.05) -> DataFrame:
    """MESA Adaptive Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: mama (input), fama (input).
    Source: TA-Lib MAMA.
    """

@overload
def marketfi(bars: DataFrame, /) -> Series:
    """Market Facilitation Index.

    Inputs: high, low, volume; or a DataFrame with these columns.
    Gives: real (dollars/share).
    Source: TA-Lib MARKETFI.
    """

@overload
def marketfi(high: Series, low: Series, volume: Series, /) -> Series: ...

@overload
def massi(bars: DataFrame, /, fastperiod: int = 9, slowperiod: int = 25) -> Series:
    """Mass Index.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib MASSI.
    """

@overload
def massi(high: Series, low: Series, /, fastperiod: int = 9, slowperiod: int = 25) -> Series: ...

@overload
def mavp(bars: DataFrame, /, minperiod: int = 2, maxperiod: int = 30, matype: int = 0) -> Series:
    """Moving average with variable period.

    Inputs: close, periods; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MAVP.
    """

@overload
def mavp(
    close: Series,
    periods: Series,
    /,
    minperiod: int = 2,
    maxperiod: int = 30,
    matype: int = 0,
) -> Series: ...

def max(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Highest value over a specified period.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MAX.
    """

def maxindex(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Index of highest value over a specified period.

    Inputs: close; or a DataFrame with these columns.
    Gives: integer (bars).
    Source: TA-Lib MAXINDEX.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def medprice(bars: DataFrame, /) -> Series:
    """Median Price.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MEDPRICE.
    """

@overload
def medprice(high: Series, low: Series, /) -> Series: ...

@overload
def mfi(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Money Flow Index; unknown while prices stand still.

    Inputs: high, low, close, volume; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib MFI.
    """

@overload
def mfi(high: Series, low: Series, close: Series, volume: Series, /, timeperiod: int = 14) -> Series: ...

def midpoint(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """MidPoint over period.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MIDPOINT.
    """

@overload
def midprice(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Midpoint Price over period.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MIDPRICE.
    """

@overload
def midprice(high: Series, low: Series, /, timeperiod: int = 14) -> Series: ...

def min(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Lowest value over a specified period.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MIN.
    """

def minindex(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Index of lowest value over a specified period.

    Inputs: close; or a DataFrame with these columns.
    Gives: integer (bars).
    Source: TA-Lib MININDEX.
    Depends on where history begins: its changes mean something, its level does not.
    """

def minmax(close: Series | DataFrame, /, timeperiod: int = 30) -> DataFrame:
    """Lowest and highest values over a specified period.

    Inputs: close; or a DataFrame with these columns.
    Gives: min (input), max (input).
    Source: TA-Lib MINMAX.
    """

def minmaxindex(close: Series | DataFrame, /, timeperiod: int = 30) -> DataFrame:
    """Indexes of lowest and highest values over a specified period.

    Inputs: close; or a DataFrame with these columns.
    Gives: minidx (bars), maxidx (bars).
    Source: TA-Lib MINMAXINDEX.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def minus_di(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Minus Directional Indicator; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib MINUS_DI.
    """

@overload
def minus_di(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def minus_dm(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Minus Directional Movement.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MINUS_DM.
    """

@overload
def minus_dm(high: Series, low: Series, /, timeperiod: int = 14) -> Series: ...

def mom(close: Series | DataFrame, /, timeperiod: int = 10) -> Series:
    """Momentum.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib MOM.
    """

@overload
def mult(bars: DataFrame, /) -> Series:
    """Vector Arithmetic Mult.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (product).
    Source: TA-Lib MULT.
    """

@overload
def mult(high: Series, low: Series, /) -> Series: ...

@overload
def natr(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Normalized Average True Range.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib NATR.
    """

@overload
def natr(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def nr(bars: DataFrame, /, timeperiod: int = 7) -> Series:
    """1 where the bar's range is narrower than that of each of the n − 1 bars before (NR4, NR7).

    Inputs: high, low; or a DataFrame with these columns.
    Gives: nr (flag).
    Source: Crabel 1990, Day Trading with Short Term Price Patterns; numpy.
    """

@overload
def nr(high: Series, low: Series, /, timeperiod: int = 7) -> Series: ...

@overload
def nvi(bars: DataFrame, /) -> Series:
    """Negative Volume Index.

    Inputs: close, volume; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib NVI.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def nvi(close: Series, volume: Series, /) -> Series: ...

@overload
def obv(bars: DataFrame, /) -> Series:
    """On Balance Volume.

    Inputs: close, volume; or a DataFrame with these columns.
    Gives: real (shares).
    Source: TA-Lib OBV.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def obv(close: Series, volume: Series, /) -> Series: ...

@overload
def obv_change(bars: DataFrame, /, timeperiod: int = 20) -> Series:
    """Change of on-balance volume (TA-Lib OBV) over n bars.

    Inputs: close, volume; or a DataFrame with these columns.
    Gives: change (shares).
    Source: Granville 1963; numpy.
    """

@overload
def obv_change(close: Series, volume: Series, /, timeperiod: int = 20) -> Series: ...

@overload
def outside_bar(bars: DataFrame, /) -> Series:
    """1 where high is above the last bar's high and low below its low.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: outside (flag).
    Source: numpy.
    """

@overload
def outside_bar(high: Series, low: Series, /) -> Series: ...

@overload
def parkinson(bars: DataFrame, /, timeperiod: int = 20) -> Series:
    """100 × √252 × √(mean of ln(high/low)² over n bars / (4 ln 2)): volatility from the bars' ranges.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: volatility (percent).
    Source: Parkinson 1980, The Extreme Value Method …; numpy.
    """

@overload
def parkinson(high: Series, low: Series, /, timeperiod: int = 20) -> Series: ...

def percent_b(close: Series | DataFrame, /, timeperiod: int = 20, deviations: float = 2.0) -> Series:
    """Bollinger's %b: (value − lower band) / (upper band − lower band).

    Inputs: close; or a DataFrame with these columns.
    Gives: percent_b (ratio).
    Source: Bollinger 2001, Bollinger on Bollinger Bands; numpy.
    """

def percent_change(close: Series | DataFrame, /, timeperiod: int = 1) -> Series:
    """100 × (value / value n bars ago − 1); unknown where that was zero.

    Inputs: close; or a DataFrame with these columns.
    Gives: percent (percent).
    Source: numpy.
    """

def percentile(close: Series | DataFrame, /, timeperiod: int = 30, percentile: float = 50.0) -> Series:
    """Percentile (nearest rank).

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib PERCENTILE.
    """

def percentrank(close: Series | DataFrame, /, timeperiod: int = 100) -> Series:
    """Percent Rank.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib PERCENTRANK.
    """

@overload
def pivot(bars: DataFrame, /) -> DataFrame:
    """Floor traders' pivot points of the last bar, known before this one opens: P = (high + low + close)/3, r1 = 2P − low, s1 = 2P − high, r2, s2 = P ± (high − low), r3 = high + 2(P − low), s3 = low − 2(high − P).

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: pivot (dollars), r1 (dollars), s1 (dollars), r2 (dollars), s2 (dollars), r3 (dollars), s3 (dollars).
    Source: floor traders; numpy.
    """

@overload
def pivot(high: Series, low: Series, close: Series, /) -> DataFrame: ...

@overload
def plus_di(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Plus Directional Indicator; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib PLUS_DI.
    """

@overload
def plus_di(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def plus_dm(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Plus Directional Movement.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib PLUS_DM.
    """

@overload
def plus_dm(high: Series, low: Series, /, timeperiod: int = 14) -> Series: ...

@overload
def position(bars: DataFrame, /, timeperiod: int = 252) -> Series:
    """100 × (close − lowest low) / (highest high − lowest low) of n bars: 0 at the low, 100 at the high.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: position (0-100).
    Source: numpy.
    """

@overload
def position(high: Series, low: Series, close: Series, /, timeperiod: int = 252) -> Series: ...

def ppo(close: Series | DataFrame, /, fastperiod: int = 12, slowperiod: int = 26, matype: int = 1) -> Series:
    """Percentage Price Oscillator.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib PPO.
    """

def prev(close: Series | DataFrame, /, n: int = 1) -> Series:
    """Value of n bars before.

    Inputs: close; or a DataFrame with these columns.
    Gives: prev (input).
    Source: numpy.
    """

@overload
def pvi(bars: DataFrame, /) -> Series:
    """Positive Volume Index.

    Inputs: close, volume; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib PVI.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def pvi(close: Series, volume: Series, /) -> Series: ...

def pvo(volume: Series | DataFrame, /, fastperiod: int = 12, slowperiod: int = 26, matype: int = 1) -> Series:
    """Percentage Volume Oscillator.

    Inputs: volume; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib PVO.
    """

@overload
def pvt(bars: DataFrame, /) -> Series:
    """Price Volume Trend.

    Inputs: close, volume; or a DataFrame with these columns.
    Gives: real (shares).
    Source: TA-Lib PVT.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def pvt(close: Series, volume: Series, /) -> Series: ...

@overload
def qstick(bars: DataFrame, /, timeperiod: int = 10) -> Series:
    """Qstick.

    Inputs: open, close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib QSTICK.
    """

@overload
def qstick(open: Series, close: Series, /, timeperiod: int = 10) -> Series: ...

@overload
def red(bars: DataFrame, /, at_most: int = 50) -> Series:
    """Bars in a row that closed below their open, counted to at_most.

    Inputs: open, close; or a DataFrame with these columns.
    Gives: bars (bars).
    Source: numpy.
    """

@overload
def red(open: Series, close: Series, /, at_most: int = 50) -> Series: ...

@overload
def relative_strength(bars: DataFrame, /, timeperiod: int = 63) -> Series:
    """100 × ((close / close n bars ago) / (benchmark / benchmark on that session) − 1).

    Inputs: close, benchmark; or a DataFrame with these columns.
    Gives: percent (percent).
    Source: numpy.
    """

@overload
def relative_strength(close: Series, benchmark: Series, /, timeperiod: int = 63) -> Series: ...

def rising(close: Series | DataFrame, /, at_most: int = 50) -> Series:
    """Bars in a row that rose from the one before, counted to at_most.

    Inputs: close; or a DataFrame with these columns.
    Gives: bars (bars).
    Source: numpy.
    """

def rma(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Wilder's Smoothed Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib RMA.
    """

def roc(close: Series | DataFrame, /, timeperiod: int = 10) -> Series:
    """Rate of change: ((price/prevPrice)-1)*100.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib ROC.
    """

def rocp(close: Series | DataFrame, /, timeperiod: int = 10) -> Series:
    """Rate of change Percentage: (price-prevPrice)/prevPrice.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib ROCP.
    """

def rocr(close: Series | DataFrame, /, timeperiod: int = 10) -> Series:
    """Rate of change ratio: (price/prevPrice).

    Inputs: close; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib ROCR.
    """

def rocr100(close: Series | DataFrame, /, timeperiod: int = 10) -> Series:
    """Rate of change ratio 100 scale: (price/prevPrice)*100.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib ROCR100.
    """

def rsi(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Relative Strength Index; unknown while prices stand still.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib RSI.
    """

def rvi(close: Series | DataFrame, /, timeperiod: int = 14, stddevperiod: int = 10) -> Series:
    """Relative Volatility Index.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib RVI.
    """

def rvol(volume: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """Relative volume: volume / mean of the n bars before; unknown where nothing was traded in them (TA-Lib's carries a rest of rounding).

    Inputs: volume; or a DataFrame with these columns.
    Gives: rvol (ratio).
    Source: numpy.
    """

@overload
def sar(bars: DataFrame, /, acceleration: float = 0.02, maximum: float = 0.2) -> Series:
    """Parabolic SAR.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib SAR.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def sar(high: Series, low: Series, /, acceleration: float = 0.02, maximum: float = 0.2) -> Series: ...

@overload
def sarext(
    bars: DataFrame,
    /,
    startvalue: float = 0.0,
    offsetonreverse: float = 0.0,
    accelerationinitlong: float = 0.02,
    accelerationlong: float = 0.02,
    accelerationmaxlong: float = 0.2,
    accelerationinitshort: float = 0.02,
    accelerationshort: float = 0.02,
    accelerationmaxshort: float = 0.2,
) -> Series:
    """Parabolic SAR - Extended.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib SAREXT.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def sarext(
    high: Series,
    low: Series,
    /,
    startvalue: float = 0.0,
    offsetonreverse: float = 0.0,
    accelerationinitlong: float = 0.02,
    accelerationlong: float = 0.02,
    accelerationmaxlong: float = 0.2,
    accelerationinitshort: float = 0.02,
    accelerationshort: float = 0.02,
    accelerationmaxshort: float = 0.2,
) -> Series: ...

def sin(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric Sin.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib SIN.
    """

@overload
def since_high(bars: DataFrame, /, timeperiod: int = 20) -> DataFrame:
    """Since the bar of the highest high of n bars, that bar included (of equal ones, the last): vwap; percent from its close; bars since.

    Inputs: high, low, close, volume; or a DataFrame with these columns.
    Gives: vwap (dollars), percent (percent), bars (bars).
    Source: anchored VWAP: Brian Shannon 2022, Maximum Trading Gains with Anchored VWAP; numpy.
    """

@overload
def since_high(high: Series, low: Series, close: Series, volume: Series, /, timeperiod: int = 20) -> DataFrame: ...

@overload
def since_low(bars: DataFrame, /, timeperiod: int = 20) -> DataFrame:
    """Since the bar of the lowest low of n bars, that bar included (of equal ones, the last): vwap; percent from its close; bars since.

    Inputs: high, low, close, volume; or a DataFrame with these columns.
    Gives: vwap (dollars), percent (percent), bars (bars).
    Source: anchored VWAP: Brian Shannon 2022, Maximum Trading Gains with Anchored VWAP; numpy.
    """

@overload
def since_low(high: Series, low: Series, close: Series, volume: Series, /, timeperiod: int = 20) -> DataFrame: ...

def sinh(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric Sinh.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib SINH.
    """

def sma(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Simple Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib SMA.
    """

@overload
def smi(
    bars: DataFrame,
    /,
    timeperiod: int = 13,
    fastperiod: int = 2,
    slowperiod: int = 25,
    signalperiod: int = 9,
) -> DataFrame:
    """Stochastic Momentum Index.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: smi (-100-100), smisignal (-100-100).
    Source: TA-Lib SMI.
    """

@overload
def smi(
    high: Series,
    low: Series,
    close: Series,
    /,
    timeperiod: int = 13,
    fastperiod: int = 2,
    slowperiod: int = 25,
    signalperiod: int = 9,
) -> DataFrame: ...

def sqrt(close: Series | DataFrame, /) -> Series:
    """Vector Square Root.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib SQRT.
    """

@overload
def stacked(bars: DataFrame, /) -> Series:
    """1 where every series lies above the next, −1 where every one lies below it, else 0.

    Inputs: close, fast, middle, slow; or a DataFrame with these columns.
    Gives: stacked (flag).
    Source: numpy.
    """

@overload
def stacked(close: Series, fast: Series, middle: Series, slow: Series, /) -> Series: ...

def stddev(close: Series | DataFrame, /, timeperiod: int = 5, nbdev: float = 1.0) -> Series:
    """Standard Deviation.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib STDDEV.
    """

@overload
def stoch(
    bars: DataFrame,
    /,
    fastk_period: int = 5,
    slowk_period: int = 3,
    slowk_matype: int = 0,
    slowd_period: int = 3,
    slowd_matype: int = 0,
) -> DataFrame:
    """Stochastic; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: slowk (0-100), slowd (0-100).
    Source: TA-Lib STOCH.
    """

@overload
def stoch(
    high: Series,
    low: Series,
    close: Series,
    /,
    fastk_period: int = 5,
    slowk_period: int = 3,
    slowk_matype: int = 0,
    slowd_period: int = 3,
    slowd_matype: int = 0,
) -> DataFrame: ...

@overload
def stochf(bars: DataFrame, /, fastk_period: int = 5, fastd_period: int = 3, fastd_matype: int = 0) -> DataFrame:
    """Stochastic Fast; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: fastk (0-100), fastd (0-100).
    Source: TA-Lib STOCHF.
    """

@overload
def stochf(
    high: Series,
    low: Series,
    close: Series,
    /,
    fastk_period: int = 5,
    fastd_period: int = 3,
    fastd_matype: int = 0,
) -> DataFrame: ...

def stochrsi(
    close: Series | DataFrame,
    /,
    timeperiod: int = 14,
    fastk_period: int = 5,
    fastd_period: int = 3,
    fastd_matype: int = 0,
) -> DataFrame:
    """Stochastic Relative Strength Index; unknown while prices stand still.

    Inputs: close; or a DataFrame with these columns.
    Gives: fastk (0-100), fastd (0-100).
    Source: TA-Lib STOCHRSI.
    """

@overload
def sub(bars: DataFrame, /) -> Series:
    """Vector Arithmetic Subtraction.

    Inputs: high, low; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib SUB.
    """

@overload
def sub(high: Series, low: Series, /) -> Series: ...

def sum(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Summation.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib SUM.
    """

@overload
def supertrend(bars: DataFrame, /, timeperiod: int = 10, multiplier: float = 3.0) -> DataFrame:
    """SuperTrend.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: supertrend (input), trend (flag).
    Source: TA-Lib SUPERTREND.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def supertrend(high: Series, low: Series, close: Series, /, timeperiod: int = 10, multiplier: float = 3.0) -> DataFrame: ...

def surge(volume: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """value / highest of the n bars before: above 1, the largest in n + 1 bars.

    Inputs: volume; or a DataFrame with these columns.
    Gives: surge (ratio).
    Source: numpy.
    """

def t3(close: Series | DataFrame, /, timeperiod: int = 5, vfactor: float = 0.7) -> Series:
    """Triple Exponential Moving Average (T3).

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib T3.
    """

def tan(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric Tan.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib TAN.
    """

def tanh(close: Series | DataFrame, /) -> Series:
    """Vector Trigonometric Tanh.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (number).
    Source: TA-Lib TANH.
    """

def tema(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Triple Exponential Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib TEMA.
    """

@overload
def trange(bars: DataFrame, /) -> Series:
    """True Range.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib TRANGE.
    """

@overload
def trange(high: Series, low: Series, close: Series, /) -> Series: ...

def trima(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Triangular Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib TRIMA.
    """

def trix(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """1-day Rate-Of-Change (ROC) of a Triple Smooth EMA.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (percent).
    Source: TA-Lib TRIX.
    """

def tsf(close: Series | DataFrame, /, timeperiod: int = 14) -> Series:
    """Time Series Forecast.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib TSF.
    """

def tsi(close: Series | DataFrame, /, firstperiod: int = 25, secondperiod: int = 13) -> Series:
    """True Strength Index.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (-100-100).
    Source: TA-Lib TSI.
    """

@overload
def ttm_squeeze(bars: DataFrame, /, timeperiod: int = 20, bollinger: float = 2.0, keltner: float = 1.5) -> DataFrame:
    """Squeeze: on where the Bollinger bands lie within the Keltner channel (simple means), fired on the first bar after it; momentum: end of the least-squares line through close − ((highest + lowest)/2 + mean)/2 of n bars.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: on (flag), fired (flag), momentum (dollars).
    Source: John Carter 2005, Mastering the Trade; numpy, TA-Lib LINEARREG.
    """

@overload
def ttm_squeeze(
    high: Series,
    low: Series,
    close: Series,
    /,
    timeperiod: int = 20,
    bollinger: float = 2.0,
    keltner: float = 1.5,
) -> DataFrame: ...

@overload
def typprice(bars: DataFrame, /) -> Series:
    """Typical Price.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib TYPPRICE.
    """

@overload
def typprice(high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def ultosc(bars: DataFrame, /, timeperiod1: int = 7, timeperiod2: int = 14, timeperiod3: int = 28) -> Series:
    """Ultimate Oscillator.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (0-100).
    Source: TA-Lib ULTOSC.
    """

@overload
def ultosc(
    high: Series,
    low: Series,
    close: Series,
    /,
    timeperiod1: int = 7,
    timeperiod2: int = 14,
    timeperiod3: int = 28,
) -> Series: ...

@overload
def up_down_volume(bars: DataFrame, /, timeperiod: int = 50) -> Series:
    """Volume of n bars that closed above the last close / volume of those that closed below it.

    Inputs: close, volume; or a DataFrame with these columns.
    Gives: ratio (ratio).
    Source: O'Neil, How to Make Money in Stocks (50 days); numpy.
    """

@overload
def up_down_volume(close: Series, volume: Series, /, timeperiod: int = 50) -> Series: ...

def var(close: Series | DataFrame, /, timeperiod: int = 5, nbdev: float = 1.0) -> Series:
    """Variance.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (square).
    Source: TA-Lib VAR.
    """

def vhf(close: Series | DataFrame, /, timeperiod: int = 28) -> Series:
    """Vertical Horizontal Filter.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (ratio).
    Source: TA-Lib VHF.
    """

@overload
def vortex(bars: DataFrame, /, timeperiod: int = 14) -> DataFrame:
    """Vortex Indicator.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: plusvi (ratio), minusvi (ratio).
    Source: TA-Lib VORTEX.
    """

@overload
def vortex(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> DataFrame: ...

@overload
def vwap(bars: DataFrame, /, timeperiod: int = 20) -> Series:
    """Mean price of n bars, weighted by volume: Σ (high + low + close)/3 × volume / Σ volume (TA-Lib's is that of all bars since history begins).

    Inputs: high, low, close, volume; or a DataFrame with these columns.
    Gives: vwap (dollars).
    Source: numpy.
    """

@overload
def vwap(high: Series, low: Series, close: Series, volume: Series, /, timeperiod: int = 20) -> Series: ...

@overload
def vwma(bars: DataFrame, /, timeperiod: int = 30) -> Series:
    """Volume Weighted Moving Average.

    Inputs: close, volume; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib VWMA.
    """

@overload
def vwma(close: Series, volume: Series, /, timeperiod: int = 30) -> Series: ...

@overload
def wad(bars: DataFrame, /) -> Series:
    """Williams' Accumulation/Distribution.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib WAD.
    Depends on where history begins: its changes mean something, its level does not.
    """

@overload
def wad(high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def wclprice(bars: DataFrame, /) -> Series:
    """Weighted Close Price.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib WCLPRICE.
    """

@overload
def wclprice(high: Series, low: Series, close: Series, /) -> Series: ...

@overload
def willr(bars: DataFrame, /, timeperiod: int = 14) -> Series:
    """Williams' %R; unknown while prices stand still.

    Inputs: high, low, close; or a DataFrame with these columns.
    Gives: real (-100-100).
    Source: TA-Lib WILLR.
    """

@overload
def willr(high: Series, low: Series, close: Series, /, timeperiod: int = 14) -> Series: ...

def wma(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Weighted Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib WMA.
    """

def z_score(close: Series | DataFrame, /, timeperiod: int = 20) -> Series:
    """Standard deviations (of the n bars themselves) between the value and its mean over n bars.

    Inputs: close; or a DataFrame with these columns.
    Gives: z_score (ratio).
    Source: numpy.
    """

def zlema(close: Series | DataFrame, /, timeperiod: int = 30) -> Series:
    """Zero-Lag Exponential Moving Average.

    Inputs: close; or a DataFrame with these columns.
    Gives: real (input).
    Source: TA-Lib ZLEMA.
    """
